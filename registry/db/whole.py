"""Versions with all that their documents show, in seven statements however many there are.

Rows as plain values: as mapped objects, a page of a hundred took three times as long. They have
the attributes of the tables' classes, so whatever shows a version takes either.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db import tables
from registry.db.prepared import Listed


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
    watermark: dict[str, Any] | None
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
    rows = {row[0]: row for row in _rows(session, tables.Version, "id", _ROW, ids)}
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
    columns = ("version_id", *Variant._fields[:-1])
    rows = _rows(session, tables.Variant, "version_id", columns, ids)
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
    """The rows of `kind` by whose they are, each as `form`."""
    found: dict[int, list[T]] = {}
    for row in _rows(session, kind, owner, (owner, *form._fields), owners):
        found.setdefault(row[0], []).append(form._make(row[1:]))
    return found


def _rows(
    session: Session,
    kind: type[tables.Table],
    key: str,
    columns: tuple[str, ...],
    ids: Sequence[int],
) -> Sequence[Sequence[Any]]:
    """Those whose `key` is among the ids, in the order of the primary key."""
    return _statement(kind, key, columns).rows(session, ids)


@cache
def _statement(kind: type[tables.Table], key: str, columns: tuple[str, ...]) -> Listed:
    """With one parameter for all ids: a hundred of them cost more than the rows they find."""
    table = kind.__table__
    wanted = select(*(table.c[name] for name in columns)).order_by(*table.primary_key)
    return Listed(wanted, table.c[key])
