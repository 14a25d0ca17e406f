"""Programs that are not ours check a bundle: an auditor's script, and Sigstore's Merkle code."""

import base64
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from sigstore._internal import merkle as theirs

from registry.core import canonical
from tests.cli.conftest import run
from tests.core import audited, audited_fleet
from tests.core.audited import TRUST, Story

AUDITOR = Path(__file__).with_name("auditor.py")
STORY = audited_fleet.fleet().published("fraud", 5, files=40).then(*audited.busy(600))


def audit(bundle: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "bundle.tar").write_bytes(bundle)
    (folder / "trust.json").write_bytes(canonical.encode(TRUST.document()))
    # -I: neither our code nor anything beside the script can be imported.
    command = [sys.executable, "-I", str(AUDITOR), "bundle.tar", "trust.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_an_auditor_with_sixty_lines_of_his_own_accepts_a_true_bundle(tmp_path: Path) -> None:
    done = audit(audited.packed(STORY.members()), tmp_path)
    assert done.returncode == 0, done.stderr
    size = len(STORY.entries)
    assert done.stdout == f"{size} entries of plimsoll.test/log are those that were signed\n"


def test_he_imports_nothing_of_ours() -> None:
    assert "registry" not in {
        line.split()[1].partition(".")[0]
        for line in AUDITOR.read_text().splitlines()
        if line.startswith(("import ", "from "))
    }


@pytest.mark.parametrize("told", [b"edge-2", b"error rate", b"reconciler:main", b"weights/1.bin"])
def test_he_refuses_a_changed_one(tmp_path: Path, told: bytes) -> None:
    changed = bytearray(audited.packed(STORY.members()))
    changed[changed.index(told)] ^= 1
    assert audit(bytes(changed), tmp_path).returncode != 0


def test_he_sees_that_entries_are_missing(tmp_path: Path) -> None:
    shorter = Story(STORY.entries[:-1], STORY.documents)
    members = shorter.members()
    members[2] = audited.Member("checkpoint", STORY.checkpoint().encode())
    done = audit(audited.packed(members), tmp_path)
    assert "entries are missing" in done.stderr


@pytest.mark.parametrize("index", [0, 1, 255, 256, 511, len(STORY.entries) - 1])
def test_sigstore_finds_each_entry_in_the_tree(tmp_path: Path, index: int) -> None:
    bundle, file = tmp_path / "bundle.tar", tmp_path / "x.tlog-proof"
    bundle.write_bytes(audited.packed(STORY.members()))
    (tmp_path / "trust.json").write_bytes(canonical.encode(TRUST.document()))
    trust = ("--trust", tmp_path / "trust.json")
    done = run("audit", "proof", index, "--bundle", bundle, "--out", file, *trust)
    assert done.code == 0, done.err
    head, _, checkpoint = file.read_text().partition("\n\n")
    _, extra, place, *hashes = head.split("\n")
    proof = [base64.b64decode(line) for line in hashes]
    _, size, root = checkpoint.split("\n")[:3]
    leaf = base64.b64decode(extra.removeprefix("extra "))
    assert (place, json.loads(leaf)) == (f"index {index}", json.loads(STORY.leaves[index]))
    inner, border = theirs._decomp_inclusion_proof(index, int(size))
    assert len(proof) == inner + border
    seed = theirs._chain_inner(theirs._hash_leaf(leaf), proof[:inner], index)
    assert theirs._chain_border_right(seed, proof[inner:]) == base64.b64decode(root)


def test_what_a_tar_program_unpacks_is_a_tlog_tiles_directory(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(audited.packed(STORY.members()))) as opened:
        opened.extractall(tmp_path, filter="data")
    size = int((tmp_path / "checkpoint").read_text().split("\n")[1])
    assert size == len(STORY.entries)
    tiles = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("tile/0/**/*"))
    width = size - 512
    assert [name for name in tiles if name[-3:].isdigit() or "/" in name[7:]][-1].endswith(
        f"002.p/{width}"
    )
