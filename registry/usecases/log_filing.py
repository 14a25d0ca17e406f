"""Files entries under who did them and where, which a release before that knew nothing of wrote.

The migration files what was there. While replicas of that release still write, this follows them.
"""

from collections.abc import Callable

from registry import errors
from registry.core import entries
from registry.db import log as log_rows
from registry.db import log_search as rows
from registry.db.engine import Database
from registry.usecases import log

_TOGETHER = 500


def file_missing(database: Database, is_over: Callable[[], bool]) -> None:
    """File all that is not; where there is nothing, this asks one index once."""
    while not is_over():
        with database.reading() as session:
            found = rows.not_filed(session, limit=_TOGETHER)
        if not found:
            return
        with database.writing() as session:
            log_rows.locked_head(session)
            for index, leaf in found:
                rows.file(session, index, _filed(leaf))
            session.commit()


def _filed(leaf: bytes) -> dict[str, str | None]:
    """A leaf that cannot be read is nobody's; `plimsoll admin verify` tells of it."""
    try:
        return log.filed(entries.decode(leaf))
    except errors.InvalidInput:
        return {"actor_role": "", "actor_name": ""}
