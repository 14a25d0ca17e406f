"""Columns of one length, whatever they were read from. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reconciler.core.kinds.measures import Value
from registry.errors import InvalidInput

Column: TypeAlias = npt.NDArray[Any]

ROWS_LIMIT = 1_000_000
UNPACKED_LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class Table:
    """`columns[name][i]` is of the i-th sample, `row(i)` says where that one stands, for people."""

    place: str
    columns: Mapping[str, Column]
    row: Callable[[int], str]

    def __post_init__(self) -> None:
        sizes = {len(column) for column in self.columns.values()}
        if len(sizes) > 1:
            raise InvalidInput(
                f"{self.place}: its columns have {', '.join(map(str, sorted(sizes)[:5]))} samples",
                fix="give every column one value for each sample",
            )
        if sizes and max(sizes) > ROWS_LIMIT:
            raise InvalidInput(f"{self.place}: more than {ROWS_LIMIT:,} samples")

    @property
    def samples(self) -> int:
        """How many there are."""
        return next((len(column) for column in self.columns.values()), 0)

    def column(self, name: str) -> Column:
        """Raises `InvalidInput` where there is none of this name."""
        if name not in self.columns:
            known = ", ".join(list(self.columns)[:20])[:200]
            raise InvalidInput(
                f"{self.place}: there is no column {name!r}", fix=f"its columns are: {known}"
            )
        return self.columns[name]

    def numbers(self, name: str, dtype: str) -> Column:
        """As float64 or, where `dtype` is one of integers, int64; finite, and nothing lost."""
        column = self.column(name)
        if column.dtype.kind in "OUS":
            return self._parsed(name, column, dtype)
        if column.dtype.kind not in "biuf":
            raise InvalidInput(f"{self.place}: column {name!r} is of type {column.dtype}")
        if column.dtype.kind == "f":
            self._require(name, column, np.isfinite(column), "is not finite")
        if not dtype.startswith("int"):
            return column.astype(np.float64)
        whole = column.astype(np.int64)
        self._require(name, column, whole == column, f"is not a number of type {dtype}")
        return whole

    def are(self, name: str, value: Value) -> npt.NDArray[np.bool_]:
        """Which samples have `value` in the column; a number written as text is that number."""
        column = self.column(name)
        if column.ndim != 1:
            raise InvalidInput(f"{self.place}: column {name!r} has several values for a sample")
        if column.dtype.kind in "OUS":
            return np.array([_is(str(one), value) for one in column], dtype=np.bool_)
        if isinstance(value, str):
            raise InvalidInput(
                f"{self.place}: column {name!r} has numbers, and none is {value!r}",
                fix="write the number without quotation marks",
            )
        return np.asarray(column == value, dtype=np.bool_)

    def _parsed(self, name: str, column: Column, dtype: str) -> Column:
        kind = int if dtype.startswith("int") else float
        try:
            found = np.array([kind(one) for one in column.ravel()])
        except ValueError:
            self._blame(name, column, kind, dtype)
            raise
        except OverflowError as error:
            raise InvalidInput(f"{self.place}: column {name!r}: {error}") from error
        if found.dtype.kind == "O":
            raise InvalidInput(f"{self.place}: column {name!r} has numbers beyond 64 bits")
        if kind is float:
            self._require(name, column, np.isfinite(found).reshape(column.shape), "is not finite")
        return found.reshape(column.shape)

    def _blame(self, name: str, column: Column, kind: Callable[[Any], Any], dtype: str) -> None:
        for place, one in enumerate(column.ravel()):
            try:
                kind(one)
            except ValueError as error:
                where = self.row(place // (column.size // len(column)))
                raise InvalidInput(
                    f"{where}: {str(one)[:40]!r} in column {name!r} is not a number of type {dtype}"
                ) from error

    def _require(self, name: str, column: Column, holds: Column, otherwise: str) -> None:
        if holds.all():
            return
        place = tuple(int(one) for one in np.argwhere(~holds)[0])
        raise InvalidInput(
            f"{self.row(place[0])}: {str(column[place])[:40]!r} in column {name!r} {otherwise}"
        )


def _is(text: str, value: Value) -> bool:
    match value:
        case bool():
            return text.lower() == str(value).lower()
        case str():
            return text == value
        case int() | float():
            try:
                return float(text) == value
            except ValueError:
                return False
