"""One row a figure, the table that people read, and results.json that programs read. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.table import Table


class Of(StrEnum):
    """Which number of a row a bar is about."""

    VALUE = "value"
    RATIO = "ratio"


class Sign(StrEnum):
    """How that number must stand to the bar's limit."""

    AT_LEAST = "≥"
    AT_MOST = "≤"
    UNDER = "<"


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach."""

    of: Of
    sign: Sign
    limit: float

    def __str__(self) -> str:
        return f"{self.of} {self.sign} {self.limit:g}"

    def holds(self, number: float | None) -> bool:
        """Whether `number` reaches the bar; a number that was not measured does not."""
        if number is None:
            return False
        match self.sign:
            case Sign.AT_LEAST:
                return number >= self.limit
            case Sign.AT_MOST:
                return number <= self.limit
            case Sign.UNDER:
                return number < self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """`reference` names what the value was measured against in this run; `ratio` is the
    median of value / reference over the repetitions, each with its neighbour in time."""

    area: str
    name: str
    value: float
    unit: str
    reference: str = ""
    ratio: float | None = None
    bar: Bar | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the bar holds; None where there is none."""
        if self.bar is None:
            return None
        return self.bar.holds(self.ratio if self.bar.of is Of.RATIO else self.value)


def at_least(limit: float) -> Bar:
    """A ratio that must reach `limit`."""
    return Bar(Of.RATIO, Sign.AT_LEAST, limit)


def ratio_at_most(limit: float) -> Bar:
    """A ratio that may reach `limit` and no more."""
    return Bar(Of.RATIO, Sign.AT_MOST, limit)


def ratio_under(limit: float) -> Bar:
    """A ratio that must stay under `limit`."""
    return Bar(Of.RATIO, Sign.UNDER, limit)


def under(limit: float) -> Bar:
    """A value that must stay under `limit`, in the row's unit."""
    return Bar(Of.VALUE, Sign.UNDER, limit)


def at_most(limit: float) -> Bar:
    """A value that may reach `limit` and no more, in the row's unit."""
    return Bar(Of.VALUE, Sign.AT_MOST, limit)


def broken(rows: Sequence[Row]) -> list[Row]:
    """The rows whose bar does not hold."""
    return [row for row in rows if row.holds is False]


def document(rows: Sequence[Row]) -> str:
    """The rows as results.json holds them."""
    return json.dumps([_fields(row) for row in rows], indent=1, ensure_ascii=False) + "\n"


def line(row: Row) -> str:
    """One row as it becomes known."""
    against = f" ({row.reference})" if row.reference else ""
    ratio = "" if row.ratio is None else f", ratio {row.ratio:.2f}"
    verdict = "" if row.bar is None else f": {row.bar} {_VERDICT[row.holds]}"
    return f"{row.area}: {row.name}: {_digits(row.value)} {row.unit}{against}{ratio}{verdict}"


def table(rows: Sequence[Row]) -> Table:
    """The rows for people."""
    shown = Table(title="make bench", title_justify="left")
    shown.add_column("area")
    shown.add_column("figure", ratio=1)
    shown.add_column("value", justify="right")
    shown.add_column("unit")
    shown.add_column("measured against")
    shown.add_column("ratio", justify="right")
    shown.add_column("bar")
    shown.add_column("holds")
    for row in rows:
        shown.add_row(
            row.area,
            row.name,
            _digits(row.value),
            row.unit,
            row.reference,
            "" if row.ratio is None else f"{row.ratio:.2f}",
            str(row.bar or ""),
            _VERDICT[row.holds],
            style="bold red" if row.holds is False else None,
        )
    return shown


_VERDICT = {True: "yes", False: "NO", None: ""}


def _fields(row: Row) -> dict[str, object]:
    return {
        "area": row.area,
        "name": row.name,
        "value": _rounded(row.value),
        "unit": row.unit,
        "reference": row.reference,
        "ratio": None if row.ratio is None else _rounded(row.ratio),
        "bar": None if row.bar is None else str(row.bar),
        "holds": row.holds,
    }


def _rounded(number: float) -> float:
    """Four significant digits: more would claim what no repetition shows."""
    return float(f"{number:.4g}")


def _digits(number: float) -> str:
    """Three significant digits, and no exponent."""
    whole = f"{number:,.0f}"
    return whole if abs(number) >= 100 else f"{number:.3g}"
