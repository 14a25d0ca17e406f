"""Delivers one webhook's share of the log: in order, at least once, by one process at a time.

Each event is sent, and then the webhook's place moves past it. A crash in between sends it
again, under the same id. Neither step appends to the log: telling of events is none.
"""

import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from registry import errors
from registry.core import attempts, entries, pacing
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
from registry.usecases.agendas import is_due
from registry.usecases.messages import Receiver
from registry.usecases.opening import Registry
from registry.usecases.sending import Sender

LEASE = timedelta(seconds=120)
_BATCH = 50
# So many changes of a flapping fleet one mail can tell.
_MAIL = 500
# So many entries of no interest are passed over in memory before the database is told.
_PASSED = 1000


@dataclass(frozen=True, slots=True)
class Pace:
    """When the last mail went out, and how many seconds had to pass after it; 0 for none yet."""

    at: datetime | None
    pause: float


@dataclass(frozen=True, slots=True)
class Held:
    """A webhook that this process may deliver, as it was when it was read."""

    place: Place
    receiver: Receiver | None
    interest: Interest
    attempts: int
    pace: Pace | None

    @property
    def batch(self) -> int:
        """So many entries are read at once."""
        return _BATCH if self.pace is None else _MAIL

    def shares(self, rows: list[Row]) -> list[list[Row]]:
        """What is delivered, or fails, as one: a mail tells all of them."""
        return [[row] for row in rows] if self.pace is None else [rows] * bool(rows)

    def at(self, cursor: int) -> "Held":
        """The same, further on."""
        return replace(self, place=replace(self.place, cursor=cursor), attempts=0)


@dataclass(frozen=True, slots=True)
class Courier:
    """One process's deliveries. `owner` is its name on leases; `told` hears of each step."""

    registry: Registry
    owner: str
    sender: Sender
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
        for share in held.shares(rows):
            if self.is_stopping():
                return share[0].index
            held = self._attempt(held, share)
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
            _pace(found),
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
                session, start=start, stop=size, kinds=held.interest.kinds, limit=held.batch
            )
        rows = [row for row in found if held.interest.covers(row.kind, row.model)]
        return rows, size if len(found) < held.batch else found[-1].index + 1

    def _attempt(self, held: Held, share: Sequence[Row]) -> Held | None:
        """The webhook one share further on; None where it waits or is no longer ours."""
        outcome = self._send(held, share)
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
        after = self._settle(held, share, step)
        self.told(step)
        return after

    def _send(self, held: Held, share: Sequence[Row]) -> Outcome | None:
        """How it went; None where this is nothing to tell in the webhook's form."""
        if held.receiver is None:
            return Silence("its secret cannot be opened with keys/secrets.key")
        now, outcome = datetime.now(UTC), None
        rows = [(row.index, row.leaf) for row in share]
        for message in messages.of_entries(self.registry, held.receiver, rows, now):
            outcome = self.sender.send(message)
            if not attempts.is_success(outcome):
                return outcome
        return outcome

    def _settle(self, held: Held, share: Sequence[Row], step: Step) -> Held | None:
        now, last = datetime.now(UTC), share[-1]
        match step:
            case Delivered():
                values = _past(last) | {"delivered_at": now, "last_error": ""}
                has_moved = self._move(held, values | self._rest(held, now))
                return _further(held, last) if has_moved else None
            case Again(wait, reason):
                due = now + timedelta(seconds=wait)
                failed = {"attempts": held.attempts + 1, "next_attempt_at": due}
                self._move(held, failed | {"last_error": reason})
                return None
            case Dead(reason):
                return _further(held, last) if self._bury(held, share, reason) else None
            case Unwanted(reason):
                self._pause(held, reason)
                return None

    def _rest(self, held: Held, now: datetime) -> dict[str, Any]:
        """Until when a subscription is left in peace after this mail; others never are."""
        if held.pace is None:
            return {}
        before, first = held.pace, self.registry.settings.sending.mail.pause
        quiet = math.inf if before.at is None else (now - before.at).total_seconds()
        pause = pacing.next_pause(first, before.pause, quiet)
        return {"next_attempt_at": now + timedelta(seconds=pause), "options": {"pause": pause}}

    def _move(self, held: Held, values: dict[str, Any]) -> bool:
        with self.registry.database.writing() as session:
            has_moved = self._moved(session, held, values)
            session.commit()
            return has_moved

    def _bury(self, held: Held, share: Sequence[Row], reason: str) -> bool:
        now = datetime.now(UTC)
        letters = [
            DeadLetter(
                webhook_id=held.place.webhook, log_index=row.index, attempts=held.attempts + 1,
                reason=reason, died_at=now,
            )
            for row in share
        ]  # fmt: skip
        values = _past(share[-1]) | {"last_error": reason} | self._rest(held, now)
        with self.registry.database.writing() as session:
            has_moved = self._moved(session, held, values)
            if has_moved:
                for letter in letters:
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


def _further(held: Held, last: Row) -> Held | None:
    """Behind `last`; None where it is to be left in peace first."""
    return held.at(last.index + 1) if held.pace is None else None


def _pace(found: Webhook) -> Pace | None:
    if found.form != messages.EMAIL:
        return None
    return Pace(found.delivered_at, float(found.options.get("pause", 0.0)))


def _past(row: Row) -> dict[str, Any]:
    return {"cursor": row.index + 1, "attempts": 0, "next_attempt_at": None}
