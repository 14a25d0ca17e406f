"""The table of documents that are kept ready: each says of which state of its version it is."""

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table


class VersionDocument(Table):
    """What the API says of a version, as text; good only while `updated_at` is the version's.

    `form` tells what documents of one release say from what those of another do.
    Nothing depends on a row: where there is none, or an old one, the document is made anew.
    """

    __tablename__ = "version_documents"

    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    updated_at: Mapped[datetime] = mapped_column(Instant)
    form: Mapped[int] = mapped_column(Integer)
    content: Mapped[str] = mapped_column(Text)
