"""Comparisons as conditions on whatever table a statement reads.

A field outside that table is one scalar subquery by primary key. No planner turns such a thing
into a join, so what a statement reads first is what `search` chose, on both databases.
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    UnaryExpression,
    collate,
    literal_column,
    select,
)
from sqlalchemy.sql.operators import custom_op

from registry.core import facts, like
from registry.core.query import Field, Operator, Term, Value
from registry.db.search_shapes import Members, Shape
from registry.db.tables import Model

Column: TypeAlias = ColumnElement[Any]
Condition: TypeAlias = ColumnElement[bool]

NAME, NUMBER, DISPLAY_NAME = Field("name"), Field("version"), Field("display_name")
MODELS: FromClause = Model.__table__
_COMPARISONS = {
    Operator.EQUAL: operator.eq,
    Operator.UNEQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}
_NEGATIONS = {Operator.UNEQUAL: Operator.EQUAL, Operator.NOT_IN: Operator.IN}


@lru_cache(maxsize=1024)
def aliased(table: FromClause, use: str = "") -> FromClause:
    """`table` under another name, the same each time for the same use.

    To make one takes longer than to run most statements. No statement has two of the same use in
    one FROM: a key that its source has read already is not looked up again.
    """
    return table.alias()


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of `table` under `conditions`; `identity` names the subject's row, each once.

    `order` are the fields by which an index gives them, None standing for the identity; `known`
    the fields that stand in the row itself. `counted` has at least as many rows, at less cost.
    """

    table: FromClause
    identity: Column
    conditions: tuple[Condition, ...] = ()
    order: frozenset[Field | None] = frozenset()
    known: Mapping[Field, Column] | None = None
    counted: Select[Any] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What a statement reads, by which field, and how it gets from there to all others."""

    shape: Shape
    source: Source
    leading: Field | None
    is_sqlite: bool

    def value(self, field: Field) -> Column:
        """The field of the row; null where the row does not have it."""
        if self.source.known and field in self.source.known:
            return self.source.known[field]
        if field.key:
            group = self.shape.groups[field.name]
            entry = aliased(group.table, field.key)
            at_key = (entry.c[group.owner] == self.source.identity, entry.c.key == field.key)
            return self._scalar(select(entry.c.value).where(*at_key))
        if field == DISPLAY_NAME and field.name not in self.shape.attributes:
            named = aliased(MODELS)
            return self._scalar(
                select(named.c.display_name).where(named.c.name == self.value(NAME))
            )
        return self.column(self.shape.attributes[field.name])

    def column(self, name: str) -> Column:
        """A column of the subject's row."""
        if self.source.table is self.shape.table:
            return self.shape.table.c[name]
        row = aliased(self.shape.table)
        at_row = row.c[self.shape.identity] == self.source.identity
        return self._scalar(select(row.c[name]).where(at_row))

    def condition(self, term: Term) -> Condition:
        """That the term is true of the row; never null where a member is asked for."""
        members = None if term.field.key else self.shape.members.get(term.field.name)
        if term.field.key and term.operator is Operator.EQUAL and not self._is_known(term.field):
            return self._entry(term).is_not(None)
        if members is None:
            return compare(self._unindexed(term.field), term, is_sqlite=self.is_sqlite)
        negated = _NEGATIONS.get(term.operator)
        wanted = replace(term, operator=negated) if negated else term
        found = self._member(members, wanted)
        return found.is_(None) if negated else found.is_not(None)

    def is_visible(self) -> tuple[Condition, ...]:
        """That the row is not one of those that only keep a place."""
        hidden = self.shape.hidden
        return (self.column(hidden).is_(None),) if hidden else ()

    def _is_known(self, field: Field) -> bool:
        return self.source.known is not None and field in self.source.known

    def _entry(self, term: Term) -> Column:
        """The key with exactly this value: an index has both, and the row need not be read."""
        group = self.shape.groups[term.field.name]
        entry = aliased(group.table, term.field.key)
        fits = [entry.c.key == term.field.key, entry.c[group.owner] == self.source.identity]
        (short,) = cut(term).values
        fits.append(entry.c[group.start] == short)
        if may_go_on(term.values[0]):
            fits.append(entry.c.value == term.values[0])
        return self._scalar(select(literal_column("1")).where(*fits))

    def _member(self, members: Members, term: Term) -> Column:
        row = aliased(members.table)
        if members.owner:
            ours = [row.c[members.owner] == self.source.identity]
        else:
            ours = [row.c.model == self.value(NAME), row.c.version == self.value(NUMBER)]
        fits = compare(row.c[members.value], term, is_sqlite=self.is_sqlite)
        return self._scalar(select(literal_column("1")).where(*ours, fits).limit(1))

    def _unindexed(self, field: Field) -> Column:
        """SQLite knows no frequencies: a plus keeps it from an index that was not chosen."""
        column = self.value(field)
        is_ours = self.source.table is self.shape.table and not field.key
        if not self.is_sqlite or not is_ours or field == self.leading:
            return column
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)

    def _scalar(self, statement: Select[Any]) -> Column:
        return statement.correlate(self.source.table).scalar_subquery()


def may_go_on(value: Value) -> bool:
    """Whether the index cannot tell the value from longer ones that begin so."""
    return isinstance(value, str) and facts.start(longer := value + " ") != longer


def cut(term: Term) -> Term:
    """The term on the beginnings of values, of which an index holds so much and no more."""
    values: tuple[Value, ...] = tuple(
        facts.start(value) if isinstance(value, str) else value for value in term.values
    )
    return replace(term, values=values)


def compare(column: Column, term: Term, *, is_sqlite: bool) -> Condition:
    """`column` compared as the term says."""
    match term.operator:
        case Operator.IN:
            return column.in_(term.values)
        case Operator.NOT_IN:
            return column.not_in(term.values)
        case Operator.LIKE | Operator.ILIKE:
            return _match(column, str(term.values[0]), term.operator, is_sqlite=is_sqlite)
        case _ as comparison:
            found: Condition = _COMPARISONS[comparison](column, term.values[0])
            return found


def _match(column: Column, pattern: str, way: Operator, *, is_sqlite: bool) -> Condition:
    is_exact = way is Operator.LIKE
    if is_sqlite and is_exact:
        return column.bool_op("GLOB")(like.glob(pattern))
    if is_sqlite or is_exact:
        return column.like(pattern, escape=like.ESCAPE)
    # "C" folds A to Z and no other letter, whatever the database's locale: as SQLite does.
    return collate(column, "C").ilike(pattern, escape=like.ESCAPE)
