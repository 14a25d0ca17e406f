"""The tables of the catalogue, typed; `schema` knows the modules with the others.

SQLite and PostgreSQL hold the same ones. `alembic check` in the tests wants their migrations.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

# SQLite counts row ids only in a column whose type is spelled INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")


class Instant(TypeDecorator[datetime]):
    """A moment in UTC; SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """What all tables share: constraint names that migrations can rely on."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


def _now() -> datetime:
    return datetime.now(UTC)


class Model(Table):
    """A slug, and the number its next version gets unless the publisher chooses a higher one.

    `display_name` is what dialects without our name rules call it. A deleted model keeps its row,
    so that no version number is ever given out twice. `project` is who it belongs to, or empty.
    """

    __tablename__ = "models"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    display_name: Mapped[str] = mapped_column(String(256), unique=True)
    description: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(String(256))
    project: Mapped[str] = mapped_column(String(128), index=True, server_default="")
    next_version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant, index=True)
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)


class ModelTag(Table):
    """A label of a model; `start` is the value's beginning, short enough for any index."""

    __tablename__ = "model_tags"
    __table_args__ = (Index(None, "key", "start", "model"),)

    model: Mapped[str] = mapped_column(ForeignKey("models.name"), primary_key=True)
    key: Mapped[str] = mapped_column(String(256), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    start: Mapped[str] = mapped_column(String(128))


class Blob(Table):
    """A claim on bytes: written before they are stored, so nothing is stored that no row names.

    `used_at` is when somebody last brought or took them for a new purpose; `condemned_at` is set
    by a sweep that found no reference, and cleared by the next claim.
    """

    __tablename__ = "blobs"

    digest: Mapped[str] = mapped_column(String(71), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime] = mapped_column(Instant, index=True)
    condemned_at: Mapped[datetime | None] = mapped_column(Instant, index=True)


PENDING, READY, FAILED, EXPIRED, ERASED = "pending", "ready", "failed", "expired", "erased"


class Version(Table):
    """One number of a model, and what its publisher said of it.

    `status` is pending, ready, failed, expired or erased. `digest` names the variant it was first
    published in; it is null until there is one, and stays when the bytes go.
    """

    __tablename__ = "versions"
    __table_args__ = (
        UniqueConstraint("model", "version"),
        # Each ends with the id, so that it gives the newest of its equals first.
        *(
            Index(None, name, "id")
            for name in (
                "model", "status", "owner", "licence", "commit", "run_id", "created_at",
                "updated_at",
            )
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    model: Mapped[str] = mapped_column(ForeignKey("models.name"))
    version: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str | None] = mapped_column(String(71), index=True)
    actor: Mapped[str] = mapped_column(String(128))
    owner: Mapped[str] = mapped_column(String(256))
    licence: Mapped[str] = mapped_column(String(128))
    commit: Mapped[str] = mapped_column(String(128))
    repository: Mapped[str] = mapped_column(String(1024))
    run_id: Mapped[str] = mapped_column(String(256))
    created_at: Mapped[datetime] = mapped_column(Instant)
    # Every change moves it: what is kept of a version in memory is good for as long as it stays.
    updated_at: Mapped[datetime] = mapped_column(Instant, onupdate=_now)
    # What may be long stands last: SQLite reads through it to what stands behind it.
    status_message: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    card: Mapped[str] = mapped_column(Text)

    # Loaded where a query says so, and nowhere by accident.
    variants: Mapped[list["Variant"]] = relationship(order_by="Variant.id", lazy="raise")
    tags: Mapped[list["VersionTag"]] = relationship(order_by="VersionTag.key", lazy="raise")
    metrics: Mapped[list["Metric"]] = relationship(order_by="Metric.key", lazy="raise")
    parameters: Mapped[list["Parameter"]] = relationship(order_by="Parameter.key", lazy="raise")
    datasets: Mapped[list["Dataset"]] = relationship(order_by="Dataset.name", lazy="raise")
    parents: Mapped[list["Derivation"]] = relationship(
        order_by="Derivation.relation, Derivation.reference",
        foreign_keys="Derivation.version_id",
        lazy="raise",
    )


class Variant(Table):
    """One form of a version; `digest` is the sha256 of `manifest`, kept as the very bytes.

    `config` is the manifest's small config document: here, not in the store, where it would cost
    a publication more than all else. `watermark` is what is shown of its mark, null without one.
    """

    __tablename__ = "variants"
    __table_args__ = (
        UniqueConstraint("version_id", "name"),
        Index(None, "format", "version_id"),
        Index(None, "publisher", "version_id"),
        Index(None, "publisher", "log_index"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    name: Mapped[str] = mapped_column(String(64))
    format: Mapped[str] = mapped_column(String(32))
    digest: Mapped[str] = mapped_column(String(71), index=True)
    config_digest: Mapped[str] = mapped_column(String(71), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    publisher: Mapped[str] = mapped_column(String(128))
    signature: Mapped[dict[str, Any]] = mapped_column(JSON)
    log_index: Mapped[int] = mapped_column(ForeignKey("log_entries.index"), unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    watermark: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    config: Mapped[bytes] = mapped_column(LargeBinary)
    manifest: Mapped[bytes] = mapped_column(LargeBinary)
    publisher_bundle: Mapped[bytes] = mapped_column(LargeBinary)
    registry_bundle: Mapped[bytes] = mapped_column(LargeBinary)

    files: Mapped[list["File"]] = relationship(order_by="File.path", lazy="raise")


class File(Table):
    """One file of a variant, by its relative POSIX path."""

    __tablename__ = "files"

    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id"), primary_key=True)
    path: Mapped[str] = mapped_column(String(512), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), index=True)
    size: Mapped[int] = mapped_column(BigInteger)


class VersionTag(Table):
    """A label of a version. The index gives those with one value, newest first, in its order."""

    __tablename__ = "version_tags"
    __table_args__ = (Index(None, "key", "start", "version_id"),)

    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(256), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    start: Mapped[str] = mapped_column(String(128))


class Metric(Table):
    """A number that was measured on a version."""

    __tablename__ = "version_metrics"
    __table_args__ = (Index(None, "key", "value", "version_id"),)

    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(256), primary_key=True)
    value: Mapped[float] = mapped_column(Float(53))


class Parameter(Table):
    """A setting that a version was trained with."""

    __tablename__ = "version_parameters"
    __table_args__ = (Index(None, "key", "start", "version_id"),)

    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(256), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    start: Mapped[str] = mapped_column(String(128))


class Dataset(Table):
    """Data that a version was made from; the digest says exactly which."""

    __tablename__ = "version_datasets"

    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(256), primary_key=True, index=True)
    digest: Mapped[str] = mapped_column(String(71), index=True)
    uri: Mapped[str] = mapped_column(String(1024))


class Derivation(Table):
    """An edge of lineage; `parent_id` is null where the parent is not in this registry."""

    __tablename__ = "derivations"

    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    relation: Mapped[str] = mapped_column(String(32), primary_key=True)
    reference: Mapped[str] = mapped_column(String(512), primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"), index=True)


class Alias(Table):
    """A movable name for a version. Hosts never follow it; people and pull requests do."""

    __tablename__ = "aliases"
    __table_args__ = (
        ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.version"]),
    )

    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    alias: Mapped[str] = mapped_column(String(128), primary_key=True, index=True)
    version: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class AliasChange(Table):
    """Each move of an alias, kept for ever; `version` is null where it was removed."""

    __tablename__ = "alias_history"
    __table_args__ = (Index(None, "model", "alias", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    model: Mapped[str] = mapped_column(String(128))
    alias: Mapped[str] = mapped_column(String(128))
    version: Mapped[int | None] = mapped_column(BigInteger)
    previous: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str] = mapped_column(Text)
    log_index: Mapped[int] = mapped_column(ForeignKey("log_entries.index"))
    at: Mapped[datetime] = mapped_column(Instant)
