"""The tables of the log, of those who may write to it, and of what they reported."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table


class Token(Table):
    """Who may call, and as what. Only the sha256 of the secret is kept.

    `scope` null is everything; with a `certificate` (its sha256) only its holder may use it.
    """

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    role: Mapped[str] = mapped_column(String(16))
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    scope: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    certificate: Mapped[str | None] = mapped_column(String(64))


def _where_said(*columns: str) -> Index:
    """By these and then in the log's order, of the entries that say the first of them: what most
    entries say nothing of costs most appends nothing."""
    is_said = text(f"{columns[0]} IS NOT NULL")
    return Index(None, *columns, "index", sqlite_where=is_said, postgresql_where=is_said)


class LogEntry(Table):
    """One leaf of the Merkle log, byte for byte; the other columns only help to find it.

    `actor_role` and `actor_name` are the two parts of the leaf's actor. They are null in what a
    release before them wrote, until it is filed (`usecases.log_filing`).
    """

    __tablename__ = "log_entries"
    __table_args__ = (
        Index(None, "kind", "index"),
        Index(None, "actor_name", "index"),
        _where_said("model"),
        _where_said("model", "version"),
        _where_said("host"),
        _where_said("deployment"),
    )

    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str] = mapped_column(String(32))
    model: Mapped[str | None] = mapped_column(String(128))
    version: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(Instant)
    actor_role: Mapped[str | None] = mapped_column(String(32))
    actor_name: Mapped[str | None] = mapped_column(String(255))
    host: Mapped[str | None] = mapped_column(String(255))
    deployment: Mapped[str | None] = mapped_column(String(255))


class LogHash(Table):
    """The root of the complete subtree over leaves index·2^level up to (index+1)·2^level."""

    __tablename__ = "log_hashes"

    level: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class LogHead(Table):
    """The one row that every append moves: how many leaves there are, and the signed note.

    `cosigned` is the newest note that enough witnesses cosigned. `contradiction` is a note of this
    log's own key that this log does not extend: from then on nothing more is signed.
    """

    __tablename__ = "log_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    origin: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    checkpoint: Mapped[str] = mapped_column(Text)
    cosigned: Mapped[str] = mapped_column(Text, default="", server_default="")
    contradiction: Mapped[str] = mapped_column(Text, default="", server_default="")


class Cosignature(Table):
    """The last cosignature of one witness: on which checkpoint, and the line itself."""

    __tablename__ = "log_cosignatures"

    witness: Mapped[str] = mapped_column(String(255), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    checkpoint: Mapped[str] = mapped_column(Text)
    time: Mapped[int] = mapped_column(BigInteger)
    line: Mapped[str] = mapped_column(Text)


class Event(Table):
    """An event told from outside, by its sender's id: telling it twice logs it once."""

    __tablename__ = "events"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    body_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    log_index: Mapped[int] = mapped_column(ForeignKey("log_entries.index"))


class Deployment(Table):
    """The last status document that a reconciler sent for one deployment.

    What lists and counts need of it stands in columns of its own, and all of them in one index.
    """

    __tablename__ = "deployments"
    __table_args__ = (
        Index(None, "severity", "environment", "name", "sync", "health", "trust", "model"),
    )

    environment: Mapped[str] = mapped_column(String(128), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated_by: Mapped[str] = mapped_column(String(128))
    updated_at: Mapped[datetime] = mapped_column(Instant, index=True)
    model: Mapped[str] = mapped_column(String(128), server_default="")
    sync: Mapped[str] = mapped_column(String(32), server_default="Unknown")
    health: Mapped[str] = mapped_column(String(32), server_default="Unknown")
    trust: Mapped[str] = mapped_column(String(32), server_default="Unknown")
    severity: Mapped[int] = mapped_column(Integer, server_default="3")
    experiment: Mapped[str] = mapped_column(String(128), server_default="", index=True)
    promotion: Mapped[str] = mapped_column(String(128), server_default="", index=True)


class FleetChanges(Table):
    """The one row that counts what pages show of the fleet and no entry of the log tells."""

    __tablename__ = "fleet_changes"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(BigInteger)


class DeploymentHost(Table):
    """One deployment on one host, as its status document says: what serves there, and how."""

    __tablename__ = "deployment_hosts"
    __table_args__ = (Index(None, "environment", "name"),)

    host: Mapped[str] = mapped_column(String(128), primary_key=True)
    environment: Mapped[str] = mapped_column(String(128), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    model: Mapped[str] = mapped_column(String(128))
    version: Mapped[int] = mapped_column(BigInteger)
    sync: Mapped[str] = mapped_column(String(32))
    health: Mapped[str] = mapped_column(String(32))
    trust: Mapped[str] = mapped_column(String(32))
    severity: Mapped[int] = mapped_column(Integer)
