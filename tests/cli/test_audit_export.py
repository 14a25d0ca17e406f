"""`audit export` and `audit verify BUNDLE`: what was exported is checked without the registry."""

import tarfile
from pathlib import Path

from registry.api.server import Server
from registry.settings import Settings
from tests.cli.conftest import Run


def test_an_export_is_verified_without_the_registry(
    plimsoll: Run, model: Path, tmp_path: Path, server: Server, settings: Settings
) -> None:
    assert plimsoll("push", "digits", model).code == 0
    bundle, trust = tmp_path / "bundle.tar", tmp_path / "mine.json"
    trust.write_bytes(settings.trust_file.read_bytes())
    exported = plimsoll("audit", "export", "--out", bundle, "-o", "json")
    assert exported.code == 0, exported.err
    server.stop()
    done = plimsoll("audit", "verify", bundle, "--trust", trust, "-o", "json")
    assert done.code == 0, done.err
    assert (done.document["verdict"], done.document["documents"]) == ("intact", 4)
    assert done.document["size"] == exported.document["size"]


def test_the_same_log_gives_the_same_bytes(plimsoll: Run, model: Path, tmp_path: Path) -> None:
    plimsoll("push", "digits", model)
    for name in ("a.tar", "b.tar"):
        assert plimsoll("audit", "export", "--out", tmp_path / name).code == 0
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_any_tar_program_reads_a_bundle(plimsoll: Run, model: Path, tmp_path: Path) -> None:
    plimsoll("push", "digits", model)
    plimsoll("audit", "export", "--out", tmp_path / "bundle.tar")
    with tarfile.open(tmp_path / "bundle.tar") as opened:
        names = opened.getnames()
    assert names[:4] == ["README.md", "trust.json", "checkpoint", "tile/entries/000.p/2"]
    assert [name.split("/")[2].split(".")[0] for name in names[5:]] == [
        "config",
        "manifest",
        "publisher",
        "registry",
    ]
