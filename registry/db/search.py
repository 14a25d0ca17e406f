"""Finds a page of versions or models: which index to begin with, then one seek for each segment.

Three ways lead to a page. Where one term's index gives its rows in the order that is asked for,
that index is read from the place where the page begins, whatever the term's frequency. Where a
term is rare, its rows are collected and sorted. Else the order's own index is read and each row
tested. What is rare is counted, and no further than to `MANY`, so the choice needs no statistics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Integer, Row, Select, func, literal_column, select
from sqlalchemy.orm import Session

from registry.core.cursor import Position
from registry.core.query import Field, Query, Term
from registry.core.scope import EVERYTHING, Scope
from registry.db import scoped, search_order, search_sources
from registry.db.search_order import Segment, Sort
from registry.db.search_shapes import MODELS, VERSIONS, Shape
from registry.db.search_terms import NAME, Place, Source

FEW = 2000
# Of indexes that both give the order, the one with fewer rows is read; to count costs a tenth of
# looking each of them up in the other.
MANY = 4 * FEW

# No index has this for an order.
_NO_ORDER = Field("")

__all__ = ["FEW", "MANY", "MODELS", "VERSIONS", "Page", "Shape", "kinds", "page"]


@dataclass(frozen=True, slots=True)
class Page:
    """The identities of rows, in order, and the place of the last one if others follow."""

    identities: tuple[int | str, ...]
    end: Position | None


@dataclass(frozen=True, slots=True)
class _Way:
    """Where statements begin to read, and the terms they still have to test."""

    source: Source | None
    terms: tuple[Term, ...]


def kinds(shape: Shape, asked: Query) -> tuple[type, ...]:
    """The types of the values that a position in this query has."""
    return tuple(sort.kind for sort in search_order.sorts(shape, asked))


def page(
    session: Session,
    shape: Shape,
    asked: Query,
    *,
    behind: Position | None,
    limit: int,
    scope: Scope = EVERYTHING,
) -> Page:
    """The first `limit` rows behind a position, of models that `scope` covers."""
    by = search_order.sorts(shape, asked)
    way = _way(session, shape, asked, by)
    rows: list[Row[Any]] = []
    present = frozenset(term.field for term in asked.terms)
    for segment in search_order.segments(by, behind, present):
        place = _place(session, shape, way, by, segment)
        found = _statement(place, way, by, segment).where(*_within(place, scope))
        rows += session.execute(found.limit(_exactly(limit + 1)))
        if len(rows) > limit:
            break
    shown = rows[:limit]
    end: Position | None = tuple(shown[-1][1:]) if len(rows) > limit else None
    return Page(tuple(row[0] for row in shown), end)


def _way(session: Session, shape: Shape, asked: Query, by: tuple[Sort, ...]) -> _Way:
    is_sqlite = _is_sqlite(session)
    sources = {
        term: source
        for term in asked.terms
        if (source := search_sources.of_term(shape, term, is_sqlite=is_sqlite)) is not None
    }
    order = by[0].field if len(by) == 1 else _NO_ORDER
    streams = [term for term, source in sources.items() if order in source.order]
    if len(sources) > 1 or len(streams) < len(sources):
        counts = _count(session, sources)
        rarest = min(counts, key=counts.__getitem__)
        if counts[rarest] <= FEW:
            streams = [rarest]
        streams.sort(key=counts.__getitem__)
    if not streams:
        return _Way(None, asked.terms)
    chosen = streams[0]
    return _Way(sources[chosen], tuple(term for term in asked.terms if term != chosen))


def _count(session: Session, sources: Mapping[Term, Source]) -> dict[Term, int]:
    """How many rows each term has, as far as `MANY` and one more."""
    counts = []
    for source in sources.values():
        found = source.counted
        if found is None:
            found = select(literal_column("1")).select_from(source.table).where(*source.conditions)
        some = found.limit(_exactly(MANY + 1)).subquery()
        counts.append(select(func.count()).select_from(some).scalar_subquery())
    return dict(zip(sources, session.execute(select(*counts)).one(), strict=True))


def _place(
    session: Session, shape: Shape, way: _Way, by: tuple[Sort, ...], segment: Segment
) -> Place:
    leading = by[0].field
    source = way.source or search_sources.rows(shape)
    if way.source is None and leading and leading.key and (by[0], None) not in segment.fixed:
        source = search_sources.having(shape, leading)
    return Place(shape, source, leading, is_sqlite=_is_sqlite(session))


def _statement(place: Place, way: _Way, by: tuple[Sort, ...], segment: Segment) -> Select[Any]:
    source = place.source
    return (
        select(source.identity, *(sort.value(place) for sort in by))
        .select_from(source.table)
        .where(
            *source.conditions,
            *place.is_visible(),
            *(place.condition(term) for term in way.terms),
            *segment.conditions(place),
        )
        .order_by(*segment.order(place))
    )


def _within(place: Place, scope: Scope) -> tuple[ColumnElement[bool], ...]:
    if scope.is_everything:
        return ()
    return (scoped.covered(place.value(NAME), scope, is_sqlite=place.is_sqlite),)


def _exactly(count: int) -> ColumnElement[int]:
    """A number in the statement itself: as a parameter, PostgreSQL would plan for any."""
    return literal_column(str(count), Integer)


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
