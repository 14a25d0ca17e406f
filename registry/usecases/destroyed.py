"""Keys that erasures have destroyed: their list, beside the registry's data for whoever restores.

`destroyed-keys.txt` in the data folder is written from the table, after each erasure and at each
start. A restore that finds it there, or is given a copy of it, opens nothing with those keys,
however old the backup is.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from registry import errors
from registry.db import keys as rows
from registry.db.engine import Database
from registry.settings import Settings
from registry.store import durable

_ABOUT = (
    "# Keys that were destroyed by erasures. Keep a copy of this file away from your backups.\n"
)
_KEY = re.compile(r"[0-9a-f]{32}")


def save(settings: Settings, database: Database) -> None:
    """Write the list, where there is anything on it."""
    with database.reading() as session:
        names = rows.all_destroyed(session)
    content = (_ABOUT + "".join(f"{name}\n" for name in names)).encode()
    path = settings.destroyed_file
    if names and not (path.exists() and path.read_bytes() == content):
        durable.write_private(path, content)


def known(settings: Settings, more: Iterable[Path] = ()) -> set[str]:
    """All keys on the data folder's own list and on these; raises InvalidInput."""
    own = [settings.destroyed_file] if settings.destroyed_file.exists() else []
    return {name for path in (*own, *more) for name in _read(path)}


def _read(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidInput(
            f"{path}: the list of destroyed keys cannot be read: {error}",
            fix="name a copy of the registry's destroyed-keys.txt",
        ) from error
    names = [line for line in lines if line and not line.startswith("#")]
    for number, name in enumerate(names, 1):
        if not _KEY.fullmatch(name):
            raise errors.InvalidInput(
                f"{path}: key {number}, {name[:40]!r}, is none", fix="one key of 32 digits a line"
            )
    return names
