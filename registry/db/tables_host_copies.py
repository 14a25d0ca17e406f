"""The tables of hosts' own copies: what one host gets in place of a variant's files.

No bytes are stored of a copy: they are made of the publisher's original whenever they are sent.
"""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, RowId, Table


class HostCopy(Table):
    """That a variant was marked for a host. `content` is the digest of all files of the copy.

    `bundle` is what the registry signed of them; the watermark's own row says with which key.
    """

    __tablename__ = "host_copies"

    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id"), primary_key=True)
    host: Mapped[str] = mapped_column(String(128), primary_key=True, index=True)
    content: Mapped[str] = mapped_column(String(71))
    created_at: Mapped[datetime] = mapped_column(Instant)
    # Last: SQLite reads through what is long to what stands behind it.
    bundle: Mapped[bytes] = mapped_column(LargeBinary)


class HostCopyFile(Table):
    """A file that is another in this copy; `source` is the original's, of the same size.

    `patches` are the checksums inside the file, as they must be once it is marked.
    """

    __tablename__ = "host_copy_files"
    __table_args__ = (
        ForeignKeyConstraint(
            ["variant_id", "host"], ["host_copies.variant_id", "host_copies.host"]
        ),
        Index(None, "digest", "host"),
    )

    variant_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    host: Mapped[str] = mapped_column(String(128), primary_key=True)
    path: Mapped[str] = mapped_column(String(512), primary_key=True)
    digest: Mapped[str] = mapped_column(String(71))
    source: Mapped[str] = mapped_column(String(71))
    size: Mapped[int] = mapped_column(BigInteger)
    # Last, as above.
    patches: Mapped[bytes] = mapped_column(LargeBinary)
