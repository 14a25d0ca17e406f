"""Several writes of a PostgreSQL transaction as one statement, made of those that SQLAlchemy wrote.

`WITH s0 AS (INSERT ...), s1 AS (INSERT ...) UPDATE ...`: one text to send, bind and answer, where
each by itself costs both sides several times what its rows do. All see the database as it was
before, in no order: none may read or change what another writes. A failure takes back all.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

# Under this key a session has what it gathers.
GATHERED = "gathered"
# `%(name)s`, as the driver has a value in a text of SQLAlchemy's.
_PLACE = re.compile(r"%\((\w+)\)s")


class Gathered:
    """Texts with their values, until they are run. One of them may have rows to give."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parts: list[tuple[str, Mapping[str, Any]]] = []
        self._asking: tuple[str, Mapping[str, Any]] | None = None
        # The driver's cursor that ran them.
        self.cursor: Any = None

    @property
    def is_asking(self) -> bool:
        return self._asking is not None

    def write(self, text: str, values: Mapping[str, Any]) -> None:
        """One more, to be run with the others."""
        self._parts.append((text, values))

    def ask(self, text: str, values: Mapping[str, Any]) -> None:
        """The one whose rows `cursor` has, once all are run."""
        self._asking = text, values

    def run(self) -> None:
        """Send them to the server; whatever the driver raises passes."""
        parts = self._parts + ([self._asking] if self._asking else [])
        if not parts:
            return
        text, places = _joined(tuple(text for text, _ in parts))
        values = [parts[at][1][name] for at, name in places]
        dialect: Any = self._connection.dialect
        # It takes PostgreSQL's own way to write places, and looks for none in the text.
        self.cursor = dialect.loaded_dbapi.RawCursor(self._connection.connection.dbapi_connection)
        self.cursor.execute(text, values)


@lru_cache(maxsize=256)
def _joined(texts: tuple[str, ...]) -> tuple[str, Sequence[tuple[int, str]]]:
    """One text, and which value of which part stands at its places."""
    places: list[tuple[int, str]] = []
    counted = itertools.count(1)

    def numbered(at: int, text: str) -> str:
        def place(found: re.Match[str]) -> str:
            places.append((at, found[1]))
            return f"${next(counted)}"

        return _PLACE.sub(place, text).replace("%%", "%")

    *before, last = (numbered(at, text) for at, text in enumerate(texts))
    named = ", ".join(f"s{at} AS ({text})" for at, text in enumerate(before))
    return (f"WITH {named} {last}" if named else last), places
