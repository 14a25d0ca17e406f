"""The table of evidence: signed statements about a variant's digest, each with its log entry."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table


class Evidence(Table):
    """One statement, as its signer's bundle has it; `statement` is its id in the core's sense.

    `note` is the reason, the builder or the names of the tests. OCI clients find it by `manifest`
    and `bundle_digest`. `revoked_by` is the entry of the revocation that stands against it: that
    is for people, no verifier believes it.
    """

    __tablename__ = "evidence"
    __table_args__ = (
        UniqueConstraint("variant_id", "statement"),
        Index(None, "version_id", "log_index"),
        Index(None, "signer", "log_index"),
    )

    log_index: Mapped[int] = mapped_column(
        ForeignKey("log_entries.index"), primary_key=True, autoincrement=False
    )
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id"))
    digest: Mapped[str] = mapped_column(String(71))
    statement: Mapped[str] = mapped_column(String(71))
    kind: Mapped[str] = mapped_column(String(16))
    signer: Mapped[str] = mapped_column(String(128))
    key: Mapped[str] = mapped_column(String(64))
    passed: Mapped[bool | None] = mapped_column(Boolean)
    revokes: Mapped[str] = mapped_column(String(71))
    revoked_by: Mapped[int | None] = mapped_column(ForeignKey("log_entries.index"))
    manifest: Mapped[str] = mapped_column(String(71), index=True)
    bundle_digest: Mapped[str] = mapped_column(String(71), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(Instant)
    note: Mapped[str] = mapped_column(Text)
    # Last: SQLite reads through what is long to what stands behind it.
    bundle: Mapped[bytes] = mapped_column(LargeBinary)
