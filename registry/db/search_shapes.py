"""Where the fields of a search live: columns, tables of tags and metrics, tables of members."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import FromClause

from registry.core import query
from registry.core.query import Subject
from registry.db.tables import (
    Alias,
    Dataset,
    Metric,
    Model,
    ModelTag,
    Parameter,
    Variant,
    Version,
    VersionTag,
)


@dataclass(frozen=True, slots=True)
class Group:
    """Keys and values of a row of the subject; the index holds `start` of the value."""

    table: FromClause
    owner: str
    start: str


@dataclass(frozen=True, slots=True)
class Members:
    """A field with several values, each a row of `table`.

    Rows name the subject's identity in `owner`; where that is empty, by model and version.
    """

    table: FromClause
    owner: str
    value: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A subject of searches in tables: its fields, by the names of their columns.

    By itself it is sorted by identity: rising, or falling where that is `is_newest_first`.
    `ordered` are the attributes whose index gives equal ones by identity, `ranged` those that
    have an index at all; a row is hidden while `hidden` is not null.
    """

    subject: Subject
    table: FromClause
    identity: str
    identity_kind: type
    is_newest_first: bool
    attributes: Mapping[str, str]
    groups: Mapping[str, Group]
    members: Mapping[str, Members]
    ordered: frozenset[str]
    ranged: frozenset[str]
    hidden: str = ""


VERSIONS = Shape(
    subject=query.VERSIONS,
    table=Version.__table__,
    identity="id",
    identity_kind=int,
    is_newest_first=True,
    attributes={
        "name": "model",
        "version": "version",
        "status": "status",
        "description": "description",
        "owner": "owner",
        "licence": "licence",
        "commit": "commit",
        "repository": "repository",
        "run_id": "run_id",
        "source_path": "source",
        "created_at": "created_at",
        "updated_at": "updated_at",
    },
    groups={
        "tags": Group(VersionTag.__table__, "version_id", "start"),
        "params": Group(Parameter.__table__, "version_id", "start"),
        "metrics": Group(Metric.__table__, "version_id", "value"),
    },
    members={
        "format": Members(Variant.__table__, "version_id", "format"),
        "publisher": Members(Variant.__table__, "version_id", "publisher"),
        "digest": Members(Variant.__table__, "version_id", "digest"),
        "dataset.name": Members(Dataset.__table__, "version_id", "name"),
        "dataset.digest": Members(Dataset.__table__, "version_id", "digest"),
        "alias": Members(Alias.__table__, "", "alias"),
    },
    ordered=frozenset({"name", "status", "owner", "licence", "commit", "run_id"}),
    ranged=frozenset({"name", "created_at", "updated_at"}),
)
MODELS = Shape(
    subject=query.MODELS,
    table=Model.__table__,
    identity="name",
    identity_kind=str,
    is_newest_first=False,
    attributes={
        "name": "name",
        "display_name": "display_name",
        "description": "description",
        "owner": "owner",
        "created_at": "created_at",
        "updated_at": "updated_at",
    },
    groups={"tags": Group(ModelTag.__table__, "model", "start")},
    members={"alias": Members(Alias.__table__, "model", "alias")},
    ordered=frozenset({"name", "display_name"}),
    ranged=frozenset({"name", "display_name", "updated_at"}),
    hidden="deleted_at",
)
