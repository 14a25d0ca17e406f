"""Webhooks: where each stands in the log, who delivers it, and what could not be delivered.

Who moves a webhook names the place it was found in, in the WHERE clause: if somebody else has
moved, changed or removed it meanwhile, nothing happens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from registry import errors
from registry.db.tables_events import DeadLetter, Webhook
from registry.db.tables_log import LogEntry

ACTIVE, PAUSED = "active", "paused"


@dataclass(frozen=True, slots=True)
class Place:
    """A webhook as one process holds it: its lease, and how far it has come."""

    webhook: str
    owner: str
    cursor: int


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the log with the columns that help to find it."""

    index: int
    kind: str
    model: str | None
    leaf: bytes


def get(session: Session, webhook: str) -> Webhook:
    """Raises NotFound."""
    found = session.get(Webhook, webhook)
    if found is None:
        raise errors.NotFound(
            f"no webhook {webhook[:40]!r}", fix="see GET /v1/webhooks for those there are"
        )
    return found


def named(session: Session, name: str) -> Webhook | None:
    """The webhook with this name, or None."""
    return session.scalars(select(Webhook).where(Webhook.name == name)).one_or_none()


def page(session: Session, *, after: str, limit: int, form: str | None = None) -> Sequence[Webhook]:
    """By name, those beyond the name `after`; of one form or all."""
    statement = select(Webhook).where(Webhook.name > after).order_by(Webhook.name).limit(limit)
    if form is not None:
        statement = statement.where(Webhook.form == form)
    return session.scalars(statement).all()


def active(session: Session) -> Sequence[Webhook]:
    """All that are to be delivered."""
    return session.scalars(select(Webhook).where(Webhook.status == ACTIVE)).all()


def counts(session: Session) -> dict[str, int]:
    """How many there are of each status."""
    rows = session.execute(select(Webhook.status, func.count()).group_by(Webhook.status))
    return {status: count for status, count in rows}  # noqa: C416  rows are no pairs to mypy


def lease(session: Session, webhook: str, *, owner: str, now: datetime, until: datetime) -> bool:
    """Take or prolong the lease; False where another process has it, or nothing is to be done."""
    taken = session.execute(
        update(Webhook)
        .where(
            Webhook.id == webhook,
            Webhook.status == ACTIVE,
            or_(
                Webhook.lease_owner.is_(None),
                Webhook.lease_owner == owner,
                Webhook.lease_until <= now,
            ),
        )
        .values(lease_owner=owner, lease_until=until)
        .returning(Webhook.id)
    )
    return taken.first() is not None


def move(session: Session, place: Place, values: dict[str, Any]) -> bool:
    """Write `values` if the webhook is still in `place`; False where it is not."""
    moved = session.execute(
        update(Webhook)
        .where(
            Webhook.id == place.webhook,
            Webhook.lease_owner == place.owner,
            Webhook.cursor == place.cursor,
        )
        .values(**values)
        .returning(Webhook.id)
    )
    return moved.first() is not None


def release(session: Session, owner: str) -> None:
    """End every lease of one process."""
    session.execute(
        update(Webhook)
        .where(Webhook.lease_owner == owner)
        .values(lease_owner=None, lease_until=None)
    )


def remove(session: Session, found: Webhook) -> None:
    """The webhook and its dead letters."""
    session.execute(delete(DeadLetter).where(DeadLetter.webhook_id == found.id))
    session.delete(found)


def entries(
    session: Session, *, start: int, stop: int, kinds: Sequence[str], limit: int
) -> Sequence[Row]:
    """The first `limit` entries from `start` up to `stop`, of these kinds or of all."""
    statement = (
        select(LogEntry.index, LogEntry.kind, LogEntry.model, LogEntry.leaf)
        .where(LogEntry.index >= start, LogEntry.index < stop)
        .order_by(LogEntry.index)
        .limit(limit)
    )
    if kinds:
        statement = statement.where(LogEntry.kind.in_(kinds))
    return [Row(*found) for found in session.execute(statement)]


def bury(session: Session, letter: DeadLetter) -> None:
    """Keep a dead letter; that of the same entry, from an earlier try, is replaced."""
    session.execute(
        delete(DeadLetter).where(
            DeadLetter.webhook_id == letter.webhook_id, DeadLetter.log_index == letter.log_index
        )
    )
    session.add(letter)
    session.flush()


def letters(session: Session, webhook: str, *, after: int, limit: int) -> Sequence[DeadLetter]:
    """A webhook's dead letters beyond the log index `after`, in the log's order."""
    statement = (
        select(DeadLetter)
        .where(DeadLetter.webhook_id == webhook, DeadLetter.log_index > after)
        .order_by(DeadLetter.log_index)
        .limit(limit)
    )
    return session.scalars(statement).all()


def letter(session: Session, webhook: str, log_index: int) -> DeadLetter:
    """Raises NotFound."""
    found = session.scalars(
        select(DeadLetter).where(
            DeadLetter.webhook_id == webhook, DeadLetter.log_index == log_index
        )
    ).one_or_none()
    if found is None:
        raise errors.NotFound(
            f"webhook {webhook[:40]!r} has no dead letter of entry {log_index}",
            fix=f"see GET /v1/webhooks/{webhook[:40]}/dead-letters for those it has",
        )
    return found


def count_letters(session: Session) -> int:
    """All dead letters, of all webhooks."""
    return session.scalar(select(func.count()).select_from(DeadLetter)) or 0
