"""The tables of recipes that the registry runs: see docs/optimise.md."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.db.tables import Instant, Table, Version


class Optimisation(Table):
    """A recipe that is to be run on a version, is run, or was.

    `id` follows from recipe, version and data. `state` is waiting, running, done or failed;
    `reason` says why nothing came of it. Whoever runs it holds it as `worker` until `due_at`;
    after that anybody may go on with it. `phase` is what is being done, `done` of `total` steps.
    """

    __tablename__ = "optimisations"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), index=True)
    name: Mapped[str] = mapped_column(String(128))
    recipe: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(16), index=True)
    reason: Mapped[str] = mapped_column(Text)
    phase: Mapped[str] = mapped_column(Text)
    done: Mapped[int] = mapped_column(Integer)
    total: Mapped[int] = mapped_column(Integer)
    attempts: Mapped[int] = mapped_column(Integer)
    worker: Mapped[str] = mapped_column(String(32))
    due_at: Mapped[datetime] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant, index=True)
    updated_at: Mapped[datetime] = mapped_column(Instant)

    version: Mapped[Version] = relationship()


class OptimisationFile(Table):
    """A file that it is given (`role` data) or that came of it (`role` made)."""

    __tablename__ = "optimisation_files"

    optimisation_id: Mapped[str] = mapped_column(ForeignKey("optimisations.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(8), primary_key=True)
    path: Mapped[str] = mapped_column(String(512), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
