"""Makes the reference of a drift provider from a CSV file, such as an acceptance set. Pure."""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from reconciler.core.kinds.online import Reference
from registry.core import digest
from registry.errors import InvalidInput

_DIGITS = 6
_MOST_CATEGORIES = 256


def of_column(data: bytes, column: str, *, bins: int, what: str) -> Reference:
    """Bins of about as many values each; raises `InvalidInput`."""
    header, rows = _read(data, what)
    place = _place(header, column, what)
    return _binned([_number(row[place], what) for row in rows], bins, data, what)


def of_means(data: bytes, prefix: str, *, bins: int, what: str) -> Reference:
    """Likewise, of each row's mean over the columns whose names are `prefix` and a number."""
    header, rows = _read(data, what)
    places = [
        place
        for place, name in enumerate(header)
        if name.startswith(prefix) and name.removeprefix(prefix).isdigit()
    ]
    if not places:
        raise InvalidInput(f"{what}:1: no column is named {prefix}0, {prefix}1 and so on")
    means = [math.fsum(_number(row[at], what) for at in places) / len(places) for row in rows]
    return _binned(means, bins, data, what)


def of_categories(data: bytes, column: str, *, what: str) -> Reference:
    """How often each text is in the column; raises `InvalidInput`."""
    header, rows = _read(data, what)
    place = _place(header, column, what)
    found = Counter(row[place] for row in rows)
    if len(found) > _MOST_CATEGORIES or "" in found:
        raise InvalidInput(
            f"{what}: {column} has {len(found)} different texts, must have 1 to 256, none empty",
            fix="leave --categories out where these are numbers",
        )
    return Reference(categories=dict(sorted(found.items())), dataset=digest.of(data))


def written(found: Reference) -> str:
    """As YAML, to be put into a template."""
    lines = ["reference:"]
    if found.categories is not None:
        told = (f"{_quoted(name)}: {count}" for name, count in found.categories.items())
        lines.append(f"  categories: {{{', '.join(told)}}}")
    else:
        lines.append(f"  edges: [{', '.join(map(_plain, found.edges or []))}]")
        lines.append(f"  counts: [{', '.join(map(str, found.counts or []))}]")
    return "\n".join([*lines, f"  dataset: {found.dataset}"])


def _binned(values: Sequence[float], bins: int, data: bytes, what: str) -> Reference:
    rising = sorted(values)
    if not rising:
        raise InvalidInput(f"{what}: there is no row")
    cuts = {_rounded(rising[len(rising) * at // bins]) for at in range(1, bins)}
    edges = sorted(edge for edge in cuts if edge > rising[0])
    if not edges:
        raise InvalidInput(
            f"{what}: the values are nearly all {_plain(rising[0])}: no bins can be made of them",
            fix="choose another column, or --categories",
        )
    counts = [0] * (len(edges) + 1)
    for value in rising:
        counts[sum(edge <= value for edge in edges)] += 1
    return Reference(edges=edges, counts=counts, dataset=digest.of(data))


def _read(data: bytes, what: str) -> tuple[list[str], list[list[str]]]:
    try:
        header, *rows = list(csv.reader(data.decode().splitlines(), strict=True)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{what}: not a CSV file: {error}") from error
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InvalidInput(f"{what}:{number}: {len(row)} cells, the header has {len(header)}")
    return header, rows


def _place(header: list[str], column: str, what: str) -> int:
    if header.count(column) != 1:
        raise InvalidInput(
            f"{what}:1: column {column!r} is there {header.count(column)} times",
            fix="name a column of the header line",
        )
    return header.index(column)


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInput(
            f"{what}: {text[:40]!r} is no finite number", fix="add --categories if these are texts"
        )
    return number


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _plain(value: float) -> str:
    """Without an exponent, which Git's YAML here does not have."""
    return format(Decimal(repr(value)), "f")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
