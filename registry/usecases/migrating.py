"""Moves the schema of a registry's database up to this release's, or down for an older one.

A start does the first by itself. Both open the database alone: no key is made, no log begun.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from registry import errors
from registry.db import engine, migrate
from registry.settings import Settings


@dataclass(frozen=True, slots=True)
class Standing:
    """Revisions: the database's (empty where it has no tables yet), and this release's own."""

    found: str
    newest: str

    @property
    def is_behind(self) -> bool:
        """Whether a start of this release would change something."""
        return self.found < self.newest


def standing(settings: Settings) -> Standing:
    """How the database stands; changes nothing. Raises Unavailable where it does not answer."""
    file = settings.database.removeprefix("sqlite:///")
    if file != settings.database and not Path(file).exists():
        return Standing("", migrate.newest())  # SQLite would make it
    with _opened(settings) as database:
        return _standing(database)


def up(settings: Settings) -> Standing:
    """Bring it to this release's schema; returns how it stood before."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _opened(settings) as database:
        before = _standing(database)
        migrate.to_head(database)
        return before


def down(settings: Settings, revision: str) -> Standing:
    """Bring it back to the schema of an older release, which what this one added does not survive.

    Returns how it stood before. Raises InvalidInput unless `revision` is one before today's.
    """
    with _opened(settings) as database:
        before = _standing(database)
        if not migrate.is_known(revision):
            raise errors.InvalidInput(
                f"this release knows no schema {revision!r}",
                fix="use the number that the older release's `plimsoll admin migrate --check` says",
            )
        if not migrate.is_known(before.found) or revision > before.found:
            raise errors.InvalidInput(
                f"the database's schema is {before.found or 'none'}: "
                f"there is no way down from it to {revision}",
                fix="only the release that knows a schema can take it back",
            )
        migrate.to(database, revision)
        return before


def _standing(database: engine.Database) -> Standing:
    with database.reading() as session:
        return Standing(migrate.current(session), migrate.newest())


@contextmanager
def _opened(settings: Settings) -> Iterator[engine.Database]:
    database = engine.connect(settings.database)
    try:
        yield database
    finally:
        database.close()
