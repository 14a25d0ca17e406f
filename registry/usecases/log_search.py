"""Looks into the log: the newest entries that fit, as it was at a moment; one with its proof."""

from datetime import datetime

from registry import errors
from registry.core import entries
from registry.db import log as log_rows
from registry.db import log_search as rows
from registry.db.log_search import Wanted
from registry.usecases import log
from registry.usecases.catalogue import Logged
from registry.usecases.log import Proof
from registry.usecases.opening import Registry


def newest(
    registry: Registry,
    wanted: Wanted,
    *,
    before: int | None = None,
    until: datetime | None = None,
    limit: int,
) -> list[Logged]:
    """Newest first; with `until` only what was written by then."""
    with registry.database.reading() as session:
        if until is not None:
            head = log_rows.require_head(session)
            size = rows.size_at(session, until, size=head.size)
            before = size if before is None else min(before, size)
        found = rows.newest(session, wanted, before=before, limit=limit)
    return [Logged(index, entries.decode(leaf)) for index, leaf in found]


def proven(registry: Registry, index: int) -> Proof:
    """The entry, and that it is in the log as signed now; raises NotFound."""
    with registry.database.reading() as session:
        size = log_rows.require_head(session).size
        if not 0 <= index < size:
            raise errors.NotFound(
                f"no entry {index} in a log of {size}", fix="ask for an index below the size"
            )
        return log.prove(session, index)
