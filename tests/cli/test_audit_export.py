"""`audit export` and `audit verify BUNDLE`: what was exported is checked without the registry."""

import json
import tarfile
from pathlib import Path

from registry.api.server import Server
from registry.cli.client import Client
from registry.core import canonical, trustroot
from registry.core.audit import readme
from registry.core.audit.archive import Member
from registry.settings import Settings
from registry.trust import keys, sign
from tests.cli.conftest import Run
from tests.core import audited


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


def test_an_export_since_an_earlier_one_fetches_only_what_is_new(
    plimsoll: Run, model: Path, tmp_path: Path, client: Client
) -> None:
    first, second, whole = (tmp_path / name for name in ("1.tar", "2.tar", "3.tar"))
    plimsoll("push", "digits", model)
    assert plimsoll("audit", "export", "--out", first).code == 0
    for number in range(260):
        event = {"id": str(number), "kind": "tested", "model": "digits"}
        client.call("POST", "/v1/events", json.dumps(event).encode())
    assert plimsoll("audit", "export", "--out", whole).code == 0
    done = plimsoll("audit", "export", "--out", second, "--since", whole, "-o", "json")
    assert (done.code, done.document["flaws"]) == (0, []), done.err
    assert second.read_bytes() == whole.read_bytes()
    done = plimsoll("audit", "export", "--out", second, "--since", first, "-o", "json")
    assert (done.code, done.document["flaws"]) == (0, []), done.err
    done = plimsoll("audit", "verify", second, "-o", "json")
    assert (done.document["extends"], done.document["size"]) == (2, 262)


def test_an_earlier_bundle_of_another_history_is_noticed(
    plimsoll: Run, model: Path, tmp_path: Path, settings: Settings
) -> None:
    """Whoever has the log's key can sign two histories, but not to one who keeps a bundle."""
    plimsoll("push", "digits", model)
    trust = trustroot.parse(settings.trust_file.read_bytes())
    key = keys.load_log_key(settings.data_dir / "keys" / "log.pem")
    forged = sign.sign_checkpoint(trust.log.origin, 1, b"\0" * 32, key)
    members = [
        Member("README.md", readme.README),
        Member("trust.json", canonical.encode(trust.document())),
        Member("checkpoint", forged.encode()),
    ]
    (tmp_path / "1.tar").write_bytes(audited.packed(members))
    done = plimsoll("audit", "export", "--out", tmp_path / "2.tar", "--since", tmp_path / "1.tar")
    assert done.code == 5
    assert "the first 1 entries are not those that were signed earlier" in done.err
