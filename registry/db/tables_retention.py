"""The tables of what must not go: legal holds on versions, and leases on all stored bytes."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, RowId, Table


class Hold(Table):
    """A legal hold on one version, or on a whole model where `version` is null.

    Released ones stay, for whoever asks later what was held, when, and why.
    """

    __tablename__ = "holds"
    __table_args__ = (Index(None, "model", "version"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    model: Mapped[str] = mapped_column(ForeignKey("models.name"))
    version: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    placed_by: Mapped[str] = mapped_column(String(128))
    placed_at: Mapped[datetime] = mapped_column(Instant)
    released_reason: Mapped[str | None] = mapped_column(Text)
    released_by: Mapped[str | None] = mapped_column(String(128))
    released_at: Mapped[datetime | None] = mapped_column(Instant, index=True)


class Lease(Table):
    """Until `expires_at` nobody removes stored bytes: somebody is copying them."""

    __tablename__ = "leases"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(64))
    taken_by: Mapped[str] = mapped_column(String(128))
    taken_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
