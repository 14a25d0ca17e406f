"""A CSV file with a header line. Pure."""

import csv
from collections.abc import Iterable

import numpy as np

from reconciler.core.tables.table import ROWS_LIMIT, Table
from registry.errors import InvalidInput


def read(data: bytes, place: str, wanted: Iterable[str]) -> Table:
    """The columns in `wanted`, and all that begin with one of it that ends with `*`."""
    try:
        rows = csv.reader(data.decode().splitlines(), strict=True)
        header = next(rows, [])
        places = _places(header, wanted, place)
        kept: list[list[str]] = []
        lines: list[int] = []
        for row in rows:
            if len(row) != len(header):
                raise InvalidInput(
                    f"{place}:{rows.line_num}: {len(row)} cells, the header has {len(header)}"
                )
            if len(kept) >= ROWS_LIMIT:
                raise InvalidInput(f"{place}: more than {ROWS_LIMIT:,} samples")
            kept.append([row[one] for one in places])
            lines.append(rows.line_num)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{place}: not a CSV file: {error}") from error
    columns = {
        header[one]: np.array([row[at] for row in kept], dtype=object)
        for at, one in enumerate(places)
    }
    return Table(place, columns, lambda one: f"{place}:{lines[one]}")


def _places(header: list[str], wanted: Iterable[str], place: str) -> list[int]:
    found: dict[int, None] = {}
    for name in wanted:
        if name.endswith("*"):
            alike = [one for one in header if one.startswith(name[:-1])]
        else:
            alike = [name]
        for one in alike:
            if header.count(one) != 1:
                raise InvalidInput(
                    f"{place}:1: column {one!r} is there {header.count(one)} times",
                    fix="name each column once in the header line",
                )
            found[header.index(one)] = None
    return sorted(found)
