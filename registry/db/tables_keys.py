"""The tables of encryption: the wrapped keys of stored blobs, and the keys that are destroyed."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table


class BlobKey(Table):
    """The age header of one stored payload; `id` is the payload's first 16 bytes.

    A blob that was stored twice has two. `wrapped_by` says which version of the provider's key
    opens it. Not in a backup's tables: a backup lists the keys of the bytes that are in it.
    """

    __tablename__ = "blob_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(String(71), index=True)
    header: Mapped[bytes] = mapped_column(LargeBinary)
    wrapped_by: Mapped[str] = mapped_column(String(256), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class DestroyedKey(Table):
    """A key that an erasure destroyed: whatever brings it back, nothing is opened with it."""

    __tablename__ = "destroyed_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    destroyed_at: Mapped[datetime] = mapped_column(Instant)
