"""Delivers one webhook's share of the log: in order, at least once, by one process at a time.

Each event is sent, and then the webhook's place moves past it. A crash in between sends it
again, under the same id. Neither step appends to the log: telling of events is none.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from registry import errors
from registry.core import attempts, entries
from registry.core.attempts import (
    Again,
    Dead,
    Delivered,
    Outcome,
    Patience,
    Silence,
    Step,
    Unwanted,
)
from registry.core.interest import Interest
from registry.db import log as log_rows
from registry.db import webhooks
from registry.db.engine import Session
from registry.db.tables_events import DeadLetter, Webhook
from registry.db.webhooks import Place, Row
from registry.usecases import log, messages
from registry.usecases.messages import Receiver
from registry.usecases.opening import Registry
from registry.usecases.posting import Poster

LEASE = timedelta(seconds=120)
_BATCH = 50
# So many entries of no interest are passed over in memory before the database is told.
_PASSED = 1000


@dataclass(frozen=True, slots=True)
class Due:
    """A webhook that may be delivered now; `changed` tells one form of it from the next."""

    id: str
    cursor: int
    changed: datetime


@dataclass(frozen=True, slots=True)
class Agenda:
    """What is due while the log has `size` entries, and in how many seconds more may be."""

    due: tuple[Due, ...]
    size: int
    rest: float | None


@dataclass(frozen=True, slots=True)
class Held:
    """A webhook that this process may deliver, as it was when it was read."""

    place: Place
    receiver: Receiver | None
    interest: Interest
    attempts: int

    def at(self, cursor: int) -> "Held":
        """The same, further on."""
        return replace(self, place=replace(self.place, cursor=cursor), attempts=0)


@dataclass(frozen=True, slots=True)
class Courier:
    """One process's deliveries. `owner` is its name on leases; `told` hears of each step."""

    registry: Registry
    owner: str
    poster: Poster
    told: Callable[[Step], None]
    is_stopping: Callable[[], bool]

    def deliver(self, webhook: str, start: int) -> int:
        """Deliver what is due, a batch at most; returns where to look on from next time.

        `start` is what the last call returned, or 0.
        """
        held = self._hold(webhook)
        if held is None:
            return start
        rows, end = self._rows(held, max(start, held.place.cursor))
        for row in rows:
            if self.is_stopping():
                return row.index
            held = self._attempt(held, row)
            if held is None:
                return 0
        if end - held.place.cursor >= _PASSED:
            self._move(held, {"cursor": end})
        return end

    def let_go(self) -> None:
        """End this process's leases, so that another need not wait for their end."""
        with self.registry.database.writing() as session:
            webhooks.release(session, self.owner)
            session.commit()

    def _hold(self, webhook: str) -> Held | None:
        """The webhook under our lease, which is prolonged once half of it is over."""
        now = datetime.now(UTC)
        with self.registry.database.reading() as session:
            found = session.get(Webhook, webhook)
        if found is None or not is_due(found, now):
            return None
        if not self._is_safely_ours(found, now):
            found = self._lease(webhook, now)
        if found is None or not is_due(found, now):
            return None
        return Held(
            Place(found.id, self.owner, found.cursor),
            self._receiver(found),
            Interest(tuple(found.kinds), found.model),
            found.attempts,
        )

    def _is_safely_ours(self, found: Webhook, now: datetime) -> bool:
        until = found.lease_until
        return found.lease_owner == self.owner and until is not None and until > now + LEASE / 2

    def _lease(self, webhook: str, now: datetime) -> Webhook | None:
        with self.registry.database.writing() as session:
            is_taken = webhooks.lease(
                session, webhook, owner=self.owner, now=now, until=now + LEASE
            )
            found = session.get(Webhook, webhook) if is_taken else None
            session.commit()
            return found

    def _receiver(self, found: Webhook) -> Receiver | None:
        try:
            return messages.receiver(self.registry, found)
        except errors.IntegrityError:
            return None

    def _rows(self, held: Held, start: int) -> tuple[list[Row], int]:
        """Entries of interest from `start` on, and the end of what was looked through."""
        with self.registry.database.reading() as session:
            head = log_rows.head(session)
            size = head.size if head else 0
            found = webhooks.entries(
                session, start=start, stop=size, kinds=held.interest.kinds, limit=_BATCH
            )
        rows = [row for row in found if held.interest.covers(row.kind, row.model)]
        return rows, size if len(found) < _BATCH else found[-1].index + 1

    def _attempt(self, held: Held, row: Row) -> Held | None:
        """The webhook one entry further on; None where it waits or is no longer ours."""
        outcome = self._send(held, row)
        if outcome is None:
            return held
        if self.is_stopping() and isinstance(outcome, Silence):
            return None  # we have cut the line ourselves: that is no attempt
        sending = self.registry.settings.sending
        step = attempts.step(
            outcome,
            failed_before=held.attempts,
            patience=Patience(sending.attempts, sending.first_pause, sending.longest_pause),
            jitter=secrets.SystemRandom().random(),
        )
        after = self._settle(held, row, step)
        self.told(step)
        return after

    def _send(self, held: Held, row: Row) -> Outcome | None:
        """How it went; None where this entry is nothing to tell in the webhook's form."""
        if held.receiver is None:
            return Silence("its secret cannot be opened with keys/secrets.key")
        now, outcome = datetime.now(UTC), None
        for message in messages.of_entry(
            self.registry, held.receiver, index=row.index, leaf=row.leaf, now=now
        ):
            outcome = self.poster.post(message)
            if not attempts.is_success(outcome):
                return outcome
        return outcome

    def _settle(self, held: Held, row: Row, step: Step) -> Held | None:
        now = datetime.now(UTC)
        match step:
            case Delivered():
                values = _past(row) | {"delivered_at": now, "last_error": ""}
                has_moved = self._move(held, values)
                return held.at(row.index + 1) if has_moved else None
            case Again(wait, reason):
                due = now + timedelta(seconds=wait)
                failed = {"attempts": held.attempts + 1, "next_attempt_at": due}
                self._move(held, failed | {"last_error": reason})
                return None
            case Dead(reason):
                return held.at(row.index + 1) if self._bury(held, row, reason) else None
            case Unwanted(reason):
                self._pause(held, reason)
                return None

    def _move(self, held: Held, values: dict[str, Any]) -> bool:
        with self.registry.database.writing() as session:
            has_moved = self._moved(session, held, values)
            session.commit()
            return has_moved

    def _bury(self, held: Held, row: Row, reason: str) -> bool:
        letter = DeadLetter(
            webhook_id=held.place.webhook,
            log_index=row.index,
            attempts=held.attempts + 1,
            reason=reason,
            died_at=datetime.now(UTC),
        )
        with self.registry.database.writing() as session:
            has_moved = self._moved(session, held, _past(row) | {"last_error": reason})
            if has_moved:
                webhooks.bury(session, letter)
                session.commit()
            return has_moved

    def _pause(self, held: Held, reason: str) -> None:
        now = datetime.now(UTC)
        values = {
            "status": webhooks.PAUSED, "status_reason": reason, "last_error": reason,
            "attempts": 0, "next_attempt_at": None, "updated_at": now,
        }  # fmt: skip
        entry = entries.Entry(
            time=log.stamp(now),
            kind=entries.Kind.WEBHOOK_CHANGED,
            actor="registry:webhooks",
            reason=reason,
            detail={"webhook": held.place.webhook, "status": webhooks.PAUSED},
        )
        with self.registry.database.writing() as session:
            log_rows.locked_head(session)
            if self._moved(session, held, values):
                log.append(session, self.registry, entry, now=now)
                session.commit()

    def _moved(self, session: Session, held: Held, values: dict[str, Any]) -> bool:
        """Whether the webhook was still where it was held; moving prolongs the lease."""
        until = datetime.now(UTC) + LEASE
        return webhooks.move(session, held.place, {"lease_until": until} | values)


def agenda(registry: Registry, owner: str) -> Agenda:
    """What the process called `owner` may deliver, the entries' kinds not looked at."""
    now = datetime.now(UTC)
    with registry.database.reading() as session:
        head = log_rows.head(session)
        active = webhooks.active(session)
    free = [found for found in active if _is_free(found, owner, now)]
    later = [found.next_attempt_at for found in free if not is_due(found, now)]
    return Agenda(
        due=tuple(
            Due(found.id, found.cursor, found.updated_at) for found in free if is_due(found, now)
        ),
        size=head.size if head else 0,
        rest=min(((at - now).total_seconds() for at in later if at is not None), default=None),
    )


def _is_free(found: Webhook, owner: str, now: datetime) -> bool:
    is_over = found.lease_until is None or found.lease_until <= now
    return found.lease_owner in {None, owner} or is_over


def is_due(found: Webhook, now: datetime) -> bool:
    """Whether it may be delivered now: it is active, and waits for no later attempt."""
    is_waiting = found.next_attempt_at is not None and found.next_attempt_at > now
    return found.status == webhooks.ACTIVE and not is_waiting


def _past(row: Row) -> dict[str, Any]:
    return {"cursor": row.index + 1, "attempts": 0, "next_attempt_at": None}
