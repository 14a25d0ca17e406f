"""Cosignatures of witnesses: taken in, gathered on one checkpoint, and handed out with it.

Witnesses cosign what `published` shows. While one of them has cosigned a checkpoint that the
others have not, that one is shown rather than the growing log's newest, so that they meet; for a
minute at most, so that one witness who went away holds up nobody. A note of the log's own key
that this log does not extend proves that the database is an old copy: the log then goes on no
further.
"""

import time
from dataclasses import dataclass

from registry import errors
from registry.core import cosignature, merkle, note
from registry.core.cosignature import Cosignature
from registry.db import cosignatures
from registry.db import log as rows
from registry.db.engine import Session
from registry.db.tables_log import Cosignature as Row
from registry.usecases import log
from registry.usecases.opening import Registry
from registry.usecases.witness_list import Witnesses

# How long a checkpoint that somebody has cosigned is kept up for the others.
PATIENCE_S = 60.0
_OWN_FORK = "restore the newest backup; see docs/trust/log.md"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The checkpoint's size, whose cosignatures were taken, and whether they are enough now."""

    size: int
    witnesses: tuple[str, ...]
    is_witnessed: bool


def accept(registry: Registry, text: str) -> Accepted:
    """Take in a checkpoint with one or more cosignatures; saying it again changes nothing.

    Raises `Forbidden` where no witness of the trust root has signed, `SignatureInvalid` or
    `InvalidInput` for what does not verify, `LogForked` where this log is not the one cosigned.
    """
    trusted, now = registry.witnesses(), time.time()
    checkpoint = note.verify_checkpoint(text, registry.log_name)
    with registry.database.writing() as session:
        head = rows.locked_head(session)
        if not _is_ours(session, head, checkpoint):
            _halt(session, checkpoint)
        found = _valid(checkpoint, trusted, now)
        own = note.alone(checkpoint, registry.log_name)
        for one in found:
            cosignatures.put(session, _row(checkpoint, own, one))
        is_witnessed = _gather(session, head, checkpoint, trusted)
        session.commit()
    return Accepted(checkpoint.size, tuple(one.witness for one in found), is_witnessed)


def published(registry: Registry) -> str:
    """The checkpoint that everybody should look at now, with the cosignatures it has."""
    with registry.database.reading() as session:
        head = rows.require_head(session)
        if candidate := _candidate(session, head):
            return candidate
    return head.cosigned if _size(head.cosigned) == head.size else head.checkpoint


def _candidate(session: Session, head: rows.Head) -> str:
    since, least = time.time() - PATIENCE_S, _size(head.cosigned)
    said = [row for row in cosignatures.all_of(session) if row.size > least and row.time >= since]
    newest = max((row.size for row in said), default=0)
    lines = [row for row in said if row.size == newest]
    return lines[0].checkpoint + "".join(row.line for row in lines) if lines else ""


def _size(text: str) -> int:
    """The size in a note of ours; -1 in none."""
    return log.size_of(text) if text else -1


def _is_ours(session: Session, head: rows.Head, checkpoint: note.Checkpoint) -> bool:
    if checkpoint.size > head.size:
        return False
    return merkle.root(checkpoint.size, rows.subtrees(session)) == checkpoint.root


def _halt(session: Session, checkpoint: note.Checkpoint) -> None:
    """This key has signed what this database has not: whoever goes on now makes a second log."""
    cosignatures.set_contradiction(session, checkpoint.text)
    session.commit()
    raise errors.LogForked(
        f"this log's key has signed a log of {checkpoint.size} entries that this registry does "
        "not have: its database is an old copy, or another registry has the key",
        fix=_OWN_FORK,
    )


def _valid(checkpoint: note.Checkpoint, trusted: Witnesses, now: float) -> tuple[Cosignature, ...]:
    found = cosignature.verified(checkpoint, trusted.keys)
    if not found:
        raise errors.Forbidden(
            "no witness of the trust root has cosigned this checkpoint",
            fix="list the witness's name and public key in witnesses.json",
        )
    for one in found:
        if one.time > now + cosignature.SKEW_S:
            raise errors.InvalidInput(
                f"witness {one.witness!r} cosigned {one.time - now:.0f} seconds from now",
                fix="set the clock of that machine, or of this one",
            )
    return found


def _row(checkpoint: note.Checkpoint, own: str, one: Cosignature) -> Row:
    return Row(
        witness=one.witness,
        size=checkpoint.size,
        checkpoint=own,
        time=one.time,
        line=one.line,
    )


def _gather(
    session: Session, head: rows.Head, checkpoint: note.Checkpoint, trusted: Witnesses
) -> bool:
    """Whether enough trusted witnesses stand by this checkpoint; if so it is the cosigned one."""
    names = {witness.name for witness in trusted.keys}
    stand = [
        row
        for row in cosignatures.all_of(session)
        if row.size == checkpoint.size and row.witness in names
    ]
    if len(stand) < max(trusted.threshold, 1):
        return False
    if checkpoint.size >= _size(head.cosigned):
        lines = "".join(row.line for row in stand)
        cosignatures.set_cosigned(session, stand[0].checkpoint + lines)
    return True
