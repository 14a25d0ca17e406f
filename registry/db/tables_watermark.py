"""The tables of watermarks: master keys by epoch, marks of variants, and the originals of these."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table


class WatermarkKey(Table):
    """A master key, sealed by the registry's own; the newest epoch marks, the others detect."""

    __tablename__ = "watermark_keys"

    epoch: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Watermark(Table):
    """The owner's mark in a variant's files, and what made it.

    `content` is the digest of the publisher's original files: with the key of `epoch` it gives
    the very same mark again. `statement` is the digest of what the registry signed in `bundle`,
    `signature` its OpenSSF model signature over the marked files, for whoever has no code of ours.
    `weights_map` says where the weights lie in the original, which is where they lie in any copy.
    """

    __tablename__ = "watermarks"
    __table_args__ = (Index(None, "content", "epoch"),)

    variant_id: Mapped[int] = mapped_column(
        ForeignKey("variants.id"), primary_key=True, autoincrement=False
    )
    content: Mapped[str] = mapped_column(String(71))
    epoch: Mapped[int] = mapped_column(ForeignKey("watermark_keys.epoch"))
    scheme: Mapped[str] = mapped_column(String(16))
    alpha: Mapped[float] = mapped_column(Float(53))
    weights: Mapped[int] = mapped_column(BigInteger)
    predicted_z: Mapped[float] = mapped_column(Float(53))
    commitment: Mapped[str] = mapped_column(String(71))
    statement: Mapped[str] = mapped_column(String(71))
    log_index: Mapped[int] = mapped_column(ForeignKey("log_entries.index"), unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    # How the marked model was tried against the original, and how far they are apart.
    trial: Mapped[dict[str, Any]] = mapped_column(JSON)
    # Last: SQLite reads through what is long to what stands behind it.
    weights_map: Mapped[bytes] = mapped_column(LargeBinary)
    bundle: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class WatermarkSource(Table):
    """One file of the original, as the publisher signed it.

    Its bytes are kept for as long as the variant refers to its own. The row stays after that, so
    that nobody is given them in the meantime; an erasure takes it. What is not `is_changed` by the
    mark is in the marked version as it is, and no secret.
    """

    __tablename__ = "watermark_sources"

    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id"), primary_key=True)
    path: Mapped[str] = mapped_column(String(512), primary_key=True)
    digest: Mapped[str] = mapped_column(String(71), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    is_changed: Mapped[bool] = mapped_column(Boolean)
