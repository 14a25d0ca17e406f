"""Orders as columns to sort by, and a page's place in them as conditions an index can seek.

"Behind (a, b, c)" is a series of segments: a and b the same and c behind; a the same and b behind;
a behind. Each is equal on a beginning of the order and a range on the next column, so none reads
what it does not give. What is null comes last, in a segment of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from registry.core.cursor import Position
from registry.core.query import Field, Kind, Operator, Query, kind_of
from registry.db.search_shapes import Shape
from registry.db.search_terms import NAME, NUMBER, Column, Condition, Place

_TYPES: dict[Kind, type] = {
    Kind.TEXT: str,
    Kind.INTEGER: int,
    Kind.NUMBER: float,
    Kind.INSTANT: datetime,
}


@dataclass(frozen=True, slots=True)
class Sort:
    """One column of an order; `field` None is the row's identity."""

    field: Field | None
    is_descending: bool
    kind: type
    is_nullable: bool = False

    def value(self, place: Place) -> Column:
        return place.source.identity if self.field is None else place.value(self.field)


class First(Enum):
    """Of a segment's first free column: all values, those that are there, or those behind one."""

    ALL = "all"
    PRESENT = "present"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows equal to `fixed` on the first columns, sorted by the `free` ones."""

    fixed: tuple[tuple[Sort, object], ...]
    free: tuple[Sort, ...]
    first: First = First.ALL
    behind: object = None

    def conditions(self, place: Place) -> Iterator[Condition]:
        for sort, value in self.fixed:
            column = sort.value(place)
            yield column.is_(None) if value is None else column == value
        if self.first is First.ALL:
            return
        column = self.free[0].value(place)
        if self.first is First.PRESENT:
            yield column.is_not(None)
        else:
            yield column < self.behind if self.free[0].is_descending else column > self.behind

    def order(self, place: Place) -> Iterator[Column]:
        for number, sort in enumerate(self.free):
            column = sort.value(place)
            if sort.is_nullable and (number or self.first is First.ALL):
                yield column.is_(None)
            yield column.desc() if sort.is_descending else column.asc()


def sorts(shape: Shape, asked: Query) -> tuple[Sort, ...]:
    """What was asked for, as far as rows can be equal on what comes before; then the identity in
    the last direction, unless no two are equal by now."""
    is_of_one_model = any(
        term.field == NAME and term.operator is Operator.EQUAL for term in asked.terms
    )
    found: list[Sort] = []
    for one in asked.order:
        found.append(_sort(shape, one.field, is_descending=one.is_descending))
        fields = {sort.field for sort in found}
        if None in fields or (NUMBER in fields and (NAME in fields or is_of_one_model)):
            return tuple(found)
    is_descending = found[-1].is_descending if found else shape.is_newest_first
    return *found, _identity(shape, is_descending=is_descending)


def segments(
    by: Sequence[Sort], position: Position | None, present: frozenset[Field]
) -> Iterator[Segment]:
    """All rows, or those behind `position`, in order; `present` are fields that no row lacks."""
    if position is None:
        yield from _opening((), tuple(by), present)
        return
    for number in reversed(range(len(by))):
        value = position[number]
        if value is None:
            continue  # nothing is behind what is not there
        fixed = tuple(zip(by[:number], position[:number], strict=True))
        yield Segment(fixed, tuple(by[number:]), First.BEHIND, value)
        yield from _lacking(fixed, tuple(by[number:]), present)


def _opening(
    fixed: tuple[tuple[Sort, object], ...], free: tuple[Sort, ...], present: frozenset[Field]
) -> Iterator[Segment]:
    if not free[0].is_nullable:
        yield Segment(fixed, free)
        return
    yield Segment(fixed, free, First.PRESENT)
    yield from _lacking(fixed, free, present)


def _lacking(
    fixed: tuple[tuple[Sort, object], ...], free: tuple[Sort, ...], present: frozenset[Field]
) -> Iterator[Segment]:
    if free[0].is_nullable and free[0].field not in present:
        yield from _opening((*fixed, (free[0], None)), free[1:], present)


def _sort(shape: Shape, field: Field, *, is_descending: bool) -> Sort:
    if shape.attributes.get(field.name) == shape.identity:
        return _identity(shape, is_descending=is_descending)
    kind = _TYPES[kind_of(field, shape.subject)]
    return Sort(field, is_descending, kind, is_nullable=bool(field.key))


def _identity(shape: Shape, *, is_descending: bool) -> Sort:
    return Sort(None, is_descending, shape.identity_kind)
