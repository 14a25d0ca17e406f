"""The tables of webhooks. What they deliver is the log itself: there is no outbox beside it."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, RowId, Table


class Webhook(Table):
    """Who is told of which entries, and how far it has been told.

    `cursor` is the index of the next entry to look at; all before it were delivered, put aside,
    or of no interest. `attempts` and `next_attempt_at` are about the entry that could not be
    delivered yet. `lease_owner` is the one process that delivers, until `lease_until`.
    """

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    description: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(String(2048))
    kinds: Mapped[list[str]] = mapped_column(JSON)
    model: Mapped[str] = mapped_column(String(128))
    form: Mapped[str] = mapped_column(String(16))
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[str] = mapped_column(String(16))
    status_reason: Mapped[str] = mapped_column(Text)
    cursor: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(Integer)
    next_attempt_at: Mapped[datetime | None] = mapped_column(Instant)
    last_error: Mapped[str] = mapped_column(Text)
    delivered_at: Mapped[datetime | None] = mapped_column(Instant)
    lease_owner: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    created_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class DeadLetter(Table):
    """An entry that a webhook's receiver did not take; it goes once it is delivered after all."""

    __tablename__ = "webhook_dead_letters"
    __table_args__ = (UniqueConstraint("webhook_id", "log_index"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id"))
    log_index: Mapped[int] = mapped_column(ForeignKey("log_entries.index"))
    attempts: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(Text)
    died_at: Mapped[datetime] = mapped_column(Instant)
