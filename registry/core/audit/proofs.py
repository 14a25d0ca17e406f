"""Entries that somebody searched for, with the proof of each, in one file. Pure.

It is a tar in the one form of an audit bundle (`archive`). It shows that these entries are in the
log; that there are no others only the whole log can show.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from registry.core import entries, note, tlog_proof
from registry.core.audit import archive
from registry.core.audit.archive import Member, Read
from registry.core.entries import Entry
from registry.core.tlog_proof import Proof
from registry.errors import BundleInvalid

_README_NAME = "README.md"
_README = b"""\
# Entries of a log, with proofs

Each file entries/<index>.tlog-proof (C2SP tlog-proof) holds one entry of a model registry's log,
in base64 behind `extra`, and the hashes that lead from it to the Merkle root that the log has
signed, at the file's end. Nothing here asks to be believed. To check all of it by the keys of a
trust root that you have from somebody you trust, without a network:

    plimsoll audit proof --check log-entries.tar --trust trust.json

What this shows: that these entries are in the log, word for word. What it cannot show: that no
other entry fits what was asked. For that, take the whole log, and ask it yourself:

    plimsoll audit export --out bundle.tar
    plimsoll audit query --bundle bundle.tar --trust trust.json
"""


class Known(Protocol):
    """An entry of the log, the hashes that prove it, and in which checkpoint."""

    @property
    def index(self) -> int: ...
    @property
    def leaf(self) -> bytes: ...
    @property
    def hashes(self) -> Sequence[bytes]: ...
    @property
    def checkpoint(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry that a file shows to be in the log that `checkpoint` signs."""

    index: int
    entry: Entry
    checkpoint: note.Checkpoint


def pack(proofs: Sequence[Known]) -> bytes:
    """The file with these, in the order of the log."""
    members = [Member(_README_NAME, _README)]
    for one in sorted(proofs, key=lambda proof: proof.index):
        text = tlog_proof.encode(Proof(one.index, tuple(one.hashes), one.checkpoint, one.leaf))
        members.append(Member(_name(one.index), text.encode()))
    return b"".join(map(archive.pack, members)) + archive.END


def checked(read: Read, key: note.LogKey) -> Iterator[Proven]:
    """Each entry once it is proven; raises at the first flaw: BundleInvalid, InvalidInput,
    SignatureInvalid or IntegrityError. Cosignatures are for the caller to demand."""
    members = archive.members(read)
    first = next(members, None)
    if first != Member(_README_NAME, _README):
        raise BundleInvalid(
            f"the file does not begin with the {_README_NAME} of entries with proofs",
            fix="a whole bundle is checked by `plimsoll audit verify`",
        )
    last = -1
    for member in members:
        text = member.content.decode("utf-8", "replace")
        proof = tlog_proof.parse(text)
        if member.name != _name(proof.index) or proof.index <= last:
            raise BundleInvalid(f"{member.name} holds entry {proof.index}, out of its place")
        last = proof.index
        # Nothing of the entry is read before it is proven.
        checkpoint = tlog_proof.verify(text, key)
        yield Proven(proof.index, entries.decode(proof.extra), checkpoint)


def _name(index: int) -> str:
    return f"entries/{index}{tlog_proof.SUFFIX}"
