"""The tables of what hosts have and hold, and of the last lines that their instances wrote."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table


class HostReport(Table):
    """What was told of a host last, but for lines. `page_logs` is how many are told; 0: none."""

    __tablename__ = "host_reports"

    host: Mapped[str] = mapped_column(String(128), primary_key=True)
    reported_by: Mapped[str] = mapped_column(String(128))
    reported_at: Mapped[datetime] = mapped_column(Instant, index=True)
    page_logs: Mapped[int] = mapped_column(Integer)
    # Last: SQLite reads through what is long to what stands behind it.
    document: Mapped[bytes] = mapped_column(LargeBinary)


class InstanceLog(Table):
    """The last lines of one instance; the next report of its host replaces them.

    They may name persons: they are in no log and in no backup, and go with their version.
    """

    __tablename__ = "instance_logs"
    __table_args__ = (Index(None, "environment", "name"), Index(None, "model", "version"))

    host: Mapped[str] = mapped_column(String(128), primary_key=True)
    instance: Mapped[str] = mapped_column(String(256), primary_key=True)
    environment: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(128))
    model: Mapped[str] = mapped_column(String(128))
    version: Mapped[int] = mapped_column(BigInteger)
    written_at: Mapped[datetime] = mapped_column(Instant, index=True)
    size: Mapped[int] = mapped_column(Integer)
    text: Mapped[bytes] = mapped_column(LargeBinary)
