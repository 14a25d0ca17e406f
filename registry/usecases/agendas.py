"""Which webhooks one process may deliver now, and when to look again."""

from dataclasses import dataclass
from datetime import UTC, datetime

from registry.db import log as log_rows
from registry.db import webhooks
from registry.db.tables_events import Webhook
from registry.usecases.opening import Registry


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
