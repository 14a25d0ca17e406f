"""The table of what people asked of deployments, for a reconciler to take."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table


class Request(Table):
    """One request; `state` is a word of `registry.core.asking`.

    Until `expires_at` it waits for a reconciler, and once it is taken, for the answer.
    """

    __tablename__ = "requests"
    __table_args__ = (
        Index("ix_requests_place", "environment", "name", "asked_at"),
        Index("ix_requests_state", "state"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    environment: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(128))
    verb: Mapped[str] = mapped_column(String(16))
    version: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[str] = mapped_column(String(256))
    asked_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(String(16))
    taken_by: Mapped[str] = mapped_column(String(256))
    changed_at: Mapped[datetime] = mapped_column(Instant, index=True)
    answer: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    log_index: Mapped[int] = mapped_column(BigInteger)
