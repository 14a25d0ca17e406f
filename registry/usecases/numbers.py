"""How much there is of what, for monitoring."""

from dataclasses import dataclass

from registry.db import host_copies, log, numbers, webhooks
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Numbers:
    """All from indexes and small tables; `webhooks` is by status."""

    log_size: int
    pending_versions: int
    dead_letters: int
    webhooks: dict[str, int]
    copies: int


@dataclass(frozen=True, slots=True)
class Blobs:
    """How many, and their bytes."""

    count: int
    size: int


def read(registry: Registry) -> Numbers:
    """Raises Unavailable."""
    with registry.database.reading() as session:
        head = log.head(session)
        return Numbers(
            log_size=head.size if head else 0,
            pending_versions=numbers.pending_versions(session),
            dead_letters=webhooks.count_letters(session),
            webhooks=webhooks.counts(session),
            copies=host_copies.count(session),
        )


def blobs(registry: Registry) -> Blobs:
    """Looks through the whole table: not for every scrape. Raises Unavailable."""
    with registry.database.reading() as session:
        return Blobs(*numbers.stored_blobs(session))
