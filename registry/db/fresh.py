"""A version that is just being published, and how it is inserted.

Plain values with the names of the tables' columns: as mapped objects they took longer than all
else that is done to them, and no session has to know them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import insert
from sqlalchemy.orm import Session

from registry.core import oci_documents
from registry.core.oms import File
from registry.db import oci_models, tables
from registry.db.prepared import Prepared
from registry.db.whole import Dataset, Metric, Parent


class Tag(NamedTuple):
    """A label, or a parameter of the training; `start` is what is looked for."""

    key: str
    value: str
    start: str


@dataclass(slots=True)
class Variant:
    """One form of it, as in the table of that name; without an id it gets one as it is inserted."""

    name: str
    format: str
    digest: str
    config_digest: str
    size: int
    publisher: str
    signature: dict[str, Any]
    log_index: int
    created_at: datetime
    config: bytes
    manifest: bytes
    publisher_bundle: bytes
    registry_bundle: bytes
    files: Sequence[File]
    watermark: dict[str, Any] | None = None
    version_id: int = 0
    id: int = 0


@dataclass(frozen=True, slots=True)
class Described:
    """What its publisher says of it in rows of their own."""

    tags: Sequence[Tag]
    metrics: Sequence[Metric]
    parameters: Sequence[Tag]
    datasets: Sequence[Dataset]
    parents: Sequence[Parent]


@dataclass(slots=True)
class Version:
    """The number of a model that it becomes, with its first variant."""

    model: str
    version: int
    status: str
    digest: str
    actor: str
    owner: str
    licence: str
    commit: str
    repository: str
    run_id: str
    created_at: datetime
    updated_at: datetime
    status_message: str
    description: str
    source: str
    card: str
    variants: Sequence[Variant]
    tags: Sequence[Tag]
    metrics: Sequence[Metric]
    parameters: Sequence[Tag]
    datasets: Sequence[Dataset]
    parents: Sequence[Parent]
    id: int = 0


_Rows: TypeAlias = "Sequence[Tag] | Sequence[Metric] | Sequence[Dataset] | Sequence[Parent]"
_VERSION, _VARIANT = (
    tables.Version.metadata.tables["versions"],
    tables.Variant.metadata.tables["variants"],
)
_ADD_VERSION = Prepared(insert(_VERSION).returning(_VERSION.c.id))
_ADD_VARIANT = Prepared(insert(_VARIANT).returning(_VARIANT.c.id))
_PUT_VERSION, _PUT_VARIANT = Prepared(insert(_VERSION)), Prepared(insert(_VARIANT))
_OF_VERSION = [one.name for one in fields(Version) if one.name in _VERSION.c and one.name != "id"]
_OF_VARIANT = [one.name for one in fields(Variant) if one.name in _VARIANT.c and one.name != "id"]
_ADD: Mapping[str, Prepared] = {
    part: Prepared(insert(kind.metadata.tables[kind.__tablename__]))
    for part, kind in (
        ("files", tables.File),
        ("tags", tables.VersionTag),
        ("metrics", tables.Metric),
        ("parameters", tables.Parameter),
        ("datasets", tables.Dataset),
        ("parents", tables.Derivation),
    )
}


def add(session: Session, new: Version) -> None:
    """Insert a version with its variants and all that is said of it."""
    values = {name: getattr(new, name) for name in _OF_VERSION}
    new.id = _insert(session, values, new.id, put=_PUT_VERSION, add=_ADD_VERSION)
    for variant in new.variants:
        variant.version_id = new.id
        add_variant(session, variant)
    describe(
        session,
        new.id,
        Described(new.tags, new.metrics, new.parameters, new.datasets, new.parents),
    )


def add_variant(session: Session, new: Variant) -> None:
    """Insert a variant of `version_id`, with its files and the names of its evidence."""
    values = {name: getattr(new, name) for name in _OF_VARIANT}
    new.id = _insert(session, values, new.id, put=_PUT_VARIANT, add=_ADD_VARIANT)
    _ADD["files"].write(
        session,
        [
            {"variant_id": new.id, "path": file.path, "digest": file.digest, "size": file.size}
            for file in new.files
        ],
    )
    signed = {
        oci_documents.PUBLISHER: new.publisher_bundle,
        oci_documents.REGISTRY: new.registry_bundle,
    }
    oci_models.name_evidence(session, new.id, new.manifest, signed)


def _insert(
    session: Session, values: dict[str, Any], given: int, *, put: Prepared, add: Prepared
) -> int:
    """Its id: `given`, where that is one."""
    if given:
        put.write(session, [values | {"id": given}])
        return given
    ((made,),) = add.rows(session, values)
    return int(made)


def describe(session: Session, version_id: int, said: Described) -> None:
    """Insert what is said of a version."""
    parts: tuple[tuple[str, _Rows], ...] = (
        ("tags", said.tags),
        ("metrics", said.metrics),
        ("parameters", said.parameters),
        ("datasets", said.datasets),
        ("parents", said.parents),
    )
    for part, rows in parts:
        if rows:
            values = [{"version_id": version_id, **row._asdict()} for row in rows]
            _ADD[part].write(session, values)
