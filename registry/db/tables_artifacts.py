"""The MLflow dialect's tables: uploaded artifacts by their path, versions being checked."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table

# Paths are compared byte by byte: everything below a folder is one range of the index.
Path = String(512).with_variant(String(512, collation="C"), "postgresql")


class Artifact(Table):
    """A file of the staging tree. Uploading to the path again points it at other bytes."""

    __tablename__ = "artifacts"

    path: Mapped[str] = mapped_column(Path, primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(Instant, index=True)


class Registration(Table):
    """How a version came in through MLflow, and while it is pending, who checks it.

    `refusal` is why its source could not be resolved, empty where it could. `origin_id` is the
    variant it is a copy of, `signature` the bytes of the publisher's bundle; both may be null.
    Whoever checks it holds it as `worker` until `due_at`; after that anybody may take it.
    """

    __tablename__ = "registrations"

    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    run_link: Mapped[str] = mapped_column(Text)
    model_id: Mapped[str] = mapped_column(String(256))
    refusal: Mapped[str] = mapped_column(Text)
    origin_id: Mapped[int | None] = mapped_column(ForeignKey("variants.id"))
    signature: Mapped[str | None] = mapped_column(ForeignKey("blobs.digest"), index=True)
    attempts: Mapped[int] = mapped_column(Integer)
    worker: Mapped[str] = mapped_column(String(32))
    due_at: Mapped[datetime] = mapped_column(Instant)


class RegistrationFile(Table):
    """One file of a version being checked, as it was when the version was registered."""

    __tablename__ = "registration_files"

    version_id: Mapped[int] = mapped_column(
        ForeignKey("registrations.version_id"), primary_key=True
    )
    path: Mapped[str] = mapped_column(String(512), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
