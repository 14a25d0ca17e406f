"""Which rows an index finds for one comparison, if one does."""

from dataclasses import replace

from sqlalchemy import select

from registry.core import like
from registry.core.query import Field, Operator, Term
from registry.db.search_shapes import Group, Members, Shape
from registry.db.search_terms import (
    DISPLAY_NAME,
    MODELS,
    NAME,
    NUMBER,
    Column,
    Condition,
    Source,
    aliased,
    compare,
    cut,
    may_go_on,
)

_Order = frozenset[Field | None]
_BY_IDENTITY: _Order = frozenset({None})
# The versions of one model come by identity, and by number too.
_OF_ONE_MODEL: _Order = frozenset({None, NUMBER})
_UNORDERED: _Order = frozenset()
_UNINDEXED = frozenset({Operator.UNEQUAL, Operator.NOT_IN, Operator.ILIKE})


def rows(shape: Shape) -> Source:
    """All there are."""
    return Source(shape.table, shape.table.c[shape.identity])


def having(shape: Shape, field: Field) -> Source:
    """Those that have this metric; the index gives them by its value."""
    group = shape.groups[field.name]
    entry = aliased(group.table, field.key)
    known = {field: entry.c.value}
    return Source(entry, entry.c[group.owner], (entry.c.key == field.key,), known=known)


def of_term(shape: Shape, term: Term, *, is_sqlite: bool) -> Source | None:
    """Exactly those for which the term is true, or None where no index finds them."""
    field = term.field
    if field.key:
        return _of_group(shape.groups[field.name], term, is_sqlite=is_sqlite)
    if field.name in shape.members:
        return _of_members(shape, shape.members[field.name], term, is_sqlite=is_sqlite)
    if field.name in shape.attributes:
        return _of_attribute(shape, term, is_sqlite=is_sqlite)
    if field == DISPLAY_NAME and term.operator is Operator.EQUAL:
        named = select(MODELS.c.name).where(MODELS.c.display_name == term.values[0])
        of_it = shape.table.c.model == named.scalar_subquery()
        return replace(rows(shape), conditions=(of_it,), order=_OF_ONE_MODEL)
    return None


def _of_group(group: Group, term: Term, *, is_sqlite: bool) -> Source | None:
    entry = aliased(group.table, term.field.key)
    found = _found(entry.c[group.start], cut(term), is_sqlite=is_sqlite)
    if found is None:
        return None
    conditions = (entry.c.key == term.field.key, *found)
    if term.operator is Operator.LIKE or any(may_go_on(value) for value in term.values):
        conditions += (compare(entry.c.value, term, is_sqlite=is_sqlite),)
    order = _BY_IDENTITY if term.operator is Operator.EQUAL else _UNORDERED
    return Source(entry, entry.c[group.owner], conditions, order, known={term.field: entry.c.value})


def _of_members(shape: Shape, members: Members, term: Term, *, is_sqlite: bool) -> Source | None:
    member = aliased(members.table)
    found = _found(member.c[members.value], term, is_sqlite=is_sqlite)
    if found is None:
        return None
    identity = shape.table.c[shape.identity]
    if members.owner:
        owners = select(member.c[members.owner]).where(*found)
    else:
        row = aliased(shape.table)
        same = (row.c.model == member.c.model) & (row.c.version == member.c.version)
        owners = select(row.c[shape.identity]).join_from(member, row, same).where(*found)
    return Source(shape.table, identity, (identity.in_(owners),), counted=owners)


def _of_attribute(shape: Shape, term: Term, *, is_sqlite: bool) -> Source | None:
    name = term.field.name
    if name not in shape.ordered | shape.ranged:
        return None
    found = _found(shape.table.c[shape.attributes[name]], term, is_sqlite=is_sqlite)
    if found is None:
        return None
    order = _UNORDERED
    if term.operator is Operator.EQUAL and name in shape.ordered:
        is_model = term.field == NAME and shape.attributes[name] != shape.identity
        order = _OF_ONE_MODEL if is_model else _BY_IDENTITY
    return replace(rows(shape), conditions=found, order=order)


def _found(column: Column, term: Term, *, is_sqlite: bool) -> tuple[Condition, ...] | None:
    """The term as conditions that an index on `column` answers."""
    if term.operator in _UNINDEXED:
        return None
    exact = compare(column, term, is_sqlite=is_sqlite)
    if term.operator is not Operator.LIKE:
        return (exact,)
    # PostgreSQL's indexes are in the order of its locale, where a beginning is no range.
    beginning = like.prefix(str(term.values[0]))
    if not beginning or not is_sqlite:
        return None
    behind = _behind(beginning)
    upper = (column < behind,) if behind else ()
    return (column >= beginning, *upper, exact)


def _behind(beginning: str) -> str:
    """The first text after all that begin so; empty where there is none."""
    kept = beginning.rstrip(chr(0x10FFFF))
    if not kept:
        return ""
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)
