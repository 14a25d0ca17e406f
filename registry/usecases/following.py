"""The log from a place on, page by page, as somebody follows it at their own pace."""

from dataclasses import dataclass

from registry.core.interest import Interest
from registry.db import log as log_rows
from registry.db import webhooks as rows
from registry.db.webhooks import Row
from registry.usecases.opening import Registry

_PAGE = 50


@dataclass(frozen=True, slots=True)
class Followed:
    """The next entries of interest; `stop` is where to go on, `is_end` that there is no more yet.

    A place beyond the log's end is taken back to it: that log was another one.
    """

    rows: tuple[Row, ...]
    stop: int
    is_end: bool


def page(registry: Registry, start: int | None, interest: Interest) -> Followed:
    """What comes from `start` on, or from now on where it is None.

    Indexes have no gaps, so nothing is missed and nothing comes twice.
    """
    with registry.database.reading() as session:
        head = log_rows.head(session)
        size = head.size if head else 0
        start = size if start is None else start
        found = rows.entries(session, start=start, stop=size, kinds=interest.kinds, limit=_PAGE)
    is_end = len(found) < _PAGE
    return Followed(
        rows=tuple(
            row
            for row in found
            if interest.covers(row.kind, row.model) and interest.covers_leaf(row.leaf)
        ),
        stop=size if is_end else found[-1].index + 1,
        is_end=is_end,
    )
