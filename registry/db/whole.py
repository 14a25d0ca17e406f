"""Versions with all that their documents show, in seven statements however many there are.

Rows as plain values: as mapped objects, a page of a hundred took three times as long. They have
the attributes of the tables' classes, so whatever shows a version takes either.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, func, literal, select
from sqlalchemy.orm import Session

from registry.db import tables


class File(NamedTuple):
    """One file of a variant."""

    path: str
    digest: str
    size: int


class Tag(NamedTuple):
    """A label, or a parameter of the training."""

    key: str
    value: str


class Metric(NamedTuple):
    """A number that was measured."""

    key: str
    value: float


class Dataset(NamedTuple):
    """Data that the version was made from."""

    name: str
    digest: str
    uri: str


class Parent(NamedTuple):
    """What the version was made of."""

    relation: str
    reference: str
    parent_id: int | None


class Variant(NamedTuple):
    """One form of a version, without manifest and signatures."""

    id: int
    name: str
    format: str
    digest: str
    size: int
    publisher: str
    signature: dict[str, Any]
    log_index: int
    created_at: datetime
    files: Sequence[File]


@dataclass(frozen=True, slots=True)
class Version:
    """One number of a model, without its card."""

    id: int
    model: str
    version: int
    status: str
    status_message: str
    digest: str | None
    actor: str
    owner: str
    description: str
    licence: str
    commit: str
    repository: str
    source: str
    run_id: str
    created_at: datetime
    updated_at: datetime
    variants: Sequence[Variant]
    tags: Sequence[Tag]
    metrics: Sequence[Metric]
    parameters: Sequence[Tag]
    datasets: Sequence[Dataset]
    parents: Sequence[Parent]


T = TypeVar("T", bound=NamedTuple)
# The fields above that stand in the version's own row.
_ROW = tuple(field.name for field in fields(Version))[:16]


def load(session: Session, ids: Sequence[int]) -> list[Version]:
    """These versions in this order, as far as they are there."""
    table = tables.Version.__table__
    columns = (table.c[name] for name in _ROW)
    found = session.execute(select(*columns).where(_among(session, table.c.id, ids))).all()
    rows = {row[0]: row for row in found}
    # In the order of the class's fields.
    parts = (
        _variants(session, ids),
        _of(session, tables.VersionTag, Tag, ids),
        _of(session, tables.Metric, Metric, ids),
        _of(session, tables.Parameter, Tag, ids),
        _of(session, tables.Dataset, Dataset, ids),
        _of(session, tables.Derivation, Parent, ids),
    )
    return [
        Version(*rows[one], *(part.get(one, []) for part in parts)) for one in ids if one in rows
    ]


def _variants(session: Session, ids: Sequence[int]) -> dict[int, list[Variant]]:
    table = tables.Variant.__table__
    columns = (table.c[name] for name in ("version_id", *Variant._fields[:-1]))
    is_ours = _among(session, table.c.version_id, ids)
    rows = session.execute(select(*columns).where(is_ours).order_by(table.c.id)).all()
    files = _of(session, tables.File, File, [row[1] for row in rows], owner="variant_id")
    found: dict[int, list[Variant]] = {}
    for row in rows:
        variant = Variant._make((*row[1:], files.get(row[1], [])))
        found.setdefault(row[0], []).append(variant)
    return found


def _of(
    session: Session,
    kind: type[tables.Table],
    form: type[T],
    owners: Sequence[int],
    *,
    owner: str = "version_id",
) -> dict[int, list[T]]:
    """The rows of `kind` by whose they are, each as `form`, in the order of its primary key."""
    table = kind.__table__
    columns = (table.c[name] for name in (owner, *form._fields))
    is_ours = _among(session, table.c[owner], owners)
    rows = session.execute(select(*columns).where(is_ours).order_by(*table.primary_key)).all()
    found: dict[int, list[T]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(form._make(row[1:]))
    return found


def _among(session: Session, column: ColumnElement[Any], ids: Sequence[int]) -> ColumnElement[bool]:
    """One parameter for all ids: a hundred of them cost more than the rows they find."""
    if session.get_bind().dialect.name == "sqlite":
        listed = func.json_each(json.dumps(list(ids))).table_valued("value")
        return column.in_(select(listed.c.value))
    return column == any_(literal(list(ids), ARRAY(BigInteger)))
