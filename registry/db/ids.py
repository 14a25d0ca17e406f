"""Ids that are given out before the rows they are for, so that nothing waits for one after another.

PostgreSQL's sequences give them, and whatever refers to a row can be sent with it. SQLite numbers
a row as it is inserted, and nothing there is far: what it gives is 0, which is no row's id.
"""

from typing import Any

from sqlalchemy import Integer, Table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement


class NextId(FunctionElement[int]):
    """The next id of a table of ours, whose key is called `id`."""

    type = Integer()
    inherit_cache = False

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table_name = table.name


@compiles(NextId)
def _none(_element: NextId, _compiler: Any, **_options: Any) -> str:
    return "0"


@compiles(NextId, "postgresql")
def _of_sequence(element: NextId, _compiler: Any, **_options: Any) -> str:
    return f"nextval(pg_get_serial_sequence('{element.table_name}', 'id'))"
