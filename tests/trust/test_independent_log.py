"""A program that we did not write checks our log: checkpoint, cosignatures, proofs and tiles."""

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from registry import errors
from registry.core import cosignature, note, tlog_proof
from registry.settings import Settings
from registry.usecases import log, opening, reports, tiles, witnessing
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from registry.usecases.reports import Event
from tests.registry import witnesses
from tests.registry.witnesses import cosigned, named
from tests.trust.independent import aics_tlog

RECONCILER = Caller(Role.RECONCILER, "loop")
WITNESSES = named("one", "two")


def tell(registry: Registry, start: int, stop: int) -> None:
    events = [Event(f"e{number}", "deployed", reason=str(number)) for number in range(start, stop)]
    for at in range(0, len(events), 500):
        reports.record_all(registry, events[at : at + 500], RECONCILER)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """1300 entries, of which two witnesses cosigned the first 900."""
    opened = opening.open_registry(Settings(data_dir=tmp_path_factory.mktemp("registry")))
    witnesses.list_in(opened.settings.witnesses_file, WITNESSES, threshold=2)
    tell(opened, 0, 900)
    for witness in WITNESSES:
        witnessing.accept(opened, cosigned(opened, witness, time=int(time.time())))
    tell(opened, 900, 1300)
    yield opened
    opened.close()


def log_vkey(registry: Registry) -> Any:
    key = registry.log_name
    raw = base64.b64encode(b"\x01" + key.public_key).decode()
    return aics_tlog().parse_vkey(f"{key.origin}+{key.key_id.hex()}+{raw}")


def witness_vkeys() -> list[Any]:
    """In the text form in which witnesses publish their keys."""
    return [
        aics_tlog().parse_vkey(
            f"{one.key.name}+{one.key.key_id.hex()}+"
            + base64.b64encode(b"\x04" + one.key.public_key).decode()
        )
        for one in WITNESSES
    ]


@dataclass(frozen=True)
class Tiles:
    """What aics-tlog reads, as the registry serves it."""

    registry: Registry

    def read_tile(self, level: int, index: int, width: int | None) -> bytes | None:
        try:
            return tiles.hashes(self.registry, level, tiles.Place(index, width or 256))
        except errors.NotFound:
            return None

    def read_entry_bundle(self, index: int, width: int | None) -> bytes | None:
        try:
            return tiles.entries(self.registry, tiles.Place(index, width or 256))
        except errors.NotFound:
            return None


def test_it_accepts_our_checkpoint_and_the_cosignatures_of_both_witnesses(
    registry: Registry,
) -> None:
    with registry.database.reading() as session:
        text = log.cosigned(session).checkpoint
    found = aics_tlog().verify_checkpoint(
        aics_tlog().parse_note(text),
        log_vkey(registry),
        witness_vkeys(),
        quorum=2,
        expected_origin=registry.log_name.origin,
        max_age_seconds=3600,
    )
    assert found.ok, found.error
    assert (found.size, sorted(found.witnesses)) == (900, sorted(one.name for one in WITNESSES))


def test_it_refuses_our_checkpoint_with_a_cosignature_of_another(registry: Registry) -> None:
    with registry.database.reading() as session:
        text = log.cosigned(session).checkpoint
    newest = log.checkpoint(registry)
    moved = newest + "".join(text.splitlines(keepends=True)[5:])
    found = aics_tlog().verify_checkpoint(
        aics_tlog().parse_note(moved), log_vkey(registry), witness_vkeys(), quorum=1
    )
    assert not found.ok


def test_it_accepts_our_proof_files(registry: Registry) -> None:
    for index in (0, 255, 256, 899, 900, 1299):
        proof = tlog_proof.parse(log.proof_file(registry, index))
        seen = note.verify_checkpoint(proof.checkpoint, registry.log_name)
        assert aics_tlog().verify_leaf_inclusion(
            proof.extra, proof.index, seen.size, list(proof.hashes), seen.root
        )
        assert not aics_tlog().verify_leaf_inclusion(
            proof.extra + b" ", proof.index, seen.size, list(proof.hashes), seen.root
        )


def test_it_finds_that_the_log_only_grew(registry: Registry) -> None:
    with registry.database.reading() as session:
        old = note.verify_checkpoint(log.cosigned(session).checkpoint, registry.log_name)
    new = note.verify_checkpoint(log.checkpoint(registry), registry.log_name)
    proof = log.consistency(registry, old.size, new.size)
    accepted = aics_tlog().verify_consistency
    assert accepted(old.size, new.size, old.root, new.root, proof)
    assert not accepted(old.size, new.size, bytes(32), new.root, proof)
    assert not accepted(old.size, new.size, old.root, new.root, proof[1:])


def test_it_audits_every_tile_and_every_entry(registry: Registry) -> None:
    seen = note.verify_checkpoint(log.checkpoint(registry), registry.log_name)
    report = aics_tlog().audit_tiles(Tiles(registry), seen.size, seen.root)
    assert report is not None
    reader = aics_tlog().VerifiedTileReader(Tiles(registry), seen.size, seen.root)
    _, leaves = log.page(registry, start=1290, limit=10)
    assert [reader.entry(index) for index, _ in leaves] == [leaf for _, leaf in leaves]


@dataclass(frozen=True)
class Spoiled(Tiles):
    """One byte of one piece is another."""

    level: int

    def read_tile(self, level: int, index: int, width: int | None) -> bytes | None:
        found = super().read_tile(level, index, width)
        return _flipped(found) if level == self.level and index == 0 else found

    def read_entry_bundle(self, index: int, width: int | None) -> bytes | None:
        found = super().read_entry_bundle(index, width)
        return _flipped(found) if self.level < 0 and index == 2 else found


def _flipped(piece: bytes | None) -> bytes | None:
    return piece if piece is None else piece[:70] + bytes([piece[70] ^ 1]) + piece[71:]


@pytest.mark.parametrize("level", [-1, 0, 1])
def test_it_finds_a_tile_or_bundle_that_was_changed(registry: Registry, level: int) -> None:
    seen = note.verify_checkpoint(log.checkpoint(registry), registry.log_name)
    with pytest.raises((ValueError, aics_tlog().TileVerificationError)):
        aics_tlog().audit_tiles(Spoiled(registry, level), seen.size, seen.root)


def test_we_accept_a_checkpoint_and_a_cosignature_that_it_made(tmp_path: Path) -> None:
    private, witness = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    leaves = [b"%d" % number for number in range(77)]
    tree = aics_tlog().MerkleTree(leaves)
    made = aics_tlog().sign_checkpoint(
        aics_tlog().Checkpoint("other.example/log", 77, tree.root()), private, "other.example/log"
    )
    _, line = aics_tlog().sign_cosignature(
        witness, "w.example/1", 1_800_000_000, "other.example/log", 77, tree.root()
    )
    text = aics_tlog().Note(text=made.text, signatures=(*made.signatures, line)).to_bytes().decode()
    raw = [
        one.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) for one in (private, witness)
    ]
    seen = note.verify_checkpoint(text, note.LogKey("other.example/log", raw[0]))
    assert (seen.size, seen.root) == (77, tree.root())
    known = note.WitnessKey("w.example/1", raw[1])
    assert cosignature.require(seen, [known], threshold=1, now=1_800_000_009)
    proof = tlog_proof.Proof(5, tuple(tree.inclusion_proof(5)), text, leaves[5])
    assert (
        tlog_proof.verify(tlog_proof.encode(proof), note.LogKey("other.example/log", raw[0]))
        == seen
    )
