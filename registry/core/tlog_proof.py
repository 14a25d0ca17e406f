"""C2SP tlog-proof: one text file that shows, offline, that an entry is in the log.

Ours carry the entry itself as `extra`, so that the file alone tells what it proves: nothing in
it is believed before the proof reaches the root that the checkpoint signs.
"""

import base64
from dataclasses import dataclass

from registry.core import fields, merkle, note
from registry.errors import InvalidInput

MEDIA_TYPE = "text/plain; charset=utf-8"
SUFFIX = ".tlog-proof"
_FIRST = "c2sp.org/tlog-proof@v1"
_WHAT = "log proof"
_MOST_HASHES = 63
_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Proof:
    """`hashes` lead from entry `index` to the root in `checkpoint`; `extra` is our entry."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""


def encode(proof: Proof) -> str:
    """The file's text."""
    lines = [_FIRST]
    if proof.extra:
        lines.append(f"extra {base64.b64encode(proof.extra).decode()}")
    lines.append(f"index {proof.index}")
    lines += [base64.b64encode(one).decode() for one in proof.hashes]
    return "\n".join(lines) + f"\n\n{proof.checkpoint}"


def looks_like_one(content: bytes) -> bool:
    """Whether these bytes begin as a proof does."""
    return content.startswith(_FIRST.encode())


def parse(text: str) -> Proof:
    """Take a file apart; raises `InvalidInput` for whatever the specification does not allow."""
    if len(text) > _LIMIT:
        raise InvalidInput(f"{_WHAT} has {len(text)} characters, at most {_LIMIT} are read")
    head, separator, checkpoint = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != _FIRST or not separator:
        raise InvalidInput(f"{_WHAT} does not begin with {_FIRST!r}")
    extra = _after("extra ", lines)
    index = _after("index ", lines)
    if index is None:
        raise InvalidInput(f"{_WHAT} has no index line where it must be")
    if len(lines) > _MOST_HASHES:
        raise InvalidInput(f"{_WHAT} has {len(lines)} hashes, at most {_MOST_HASHES} are needed")
    return Proof(
        note.number(index, what=f"{_WHAT}'s index"),
        tuple(_hash(line) for line in lines),
        checkpoint,
        b"" if extra is None else fields.unbase64(extra, what=f"{_WHAT}'s extra"),
    )


def verify(text: str, key: note.LogKey, *, leaf: bytes | None = None) -> note.Checkpoint:
    """The checkpoint in which the file shows `leaf`, or else the entry that it carries itself.

    Raises `InvalidInput`, `SignatureInvalid` or `IntegrityError`. Cosignatures are for the
    caller to demand, with `cosignature.require`.
    """
    proof = parse(text)
    checkpoint = note.verify_checkpoint(proof.checkpoint, key)
    merkle.check_inclusion(
        proof.extra if leaf is None else leaf,
        proof.index,
        checkpoint.size,
        proof=proof.hashes,
        expected_root=checkpoint.root,
    )
    return checkpoint


def _after(word: str, lines: list[str]) -> str | None:
    """What follows `word` in the first of `lines`, which is taken away; None where it is not."""
    if not lines or not lines[0].startswith(word):
        return None
    return lines.pop(0).removeprefix(word)


def _hash(line: str) -> bytes:
    found = fields.unbase64(line, what=f"a hash of the {_WHAT}")
    if len(found) != 32:
        raise InvalidInput(f"a hash of the {_WHAT} has {len(found)} bytes, not 32")
    return found
