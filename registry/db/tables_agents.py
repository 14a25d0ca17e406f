"""The table of hosts that look after themselves."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table


class Agent(Table):
    """What the agent of a host told last of it, in the agent's own JSON.

    `claimed_at` is when the host became its own; whether it still is says the host's lease.
    """

    __tablename__ = "agents"

    host: Mapped[str] = mapped_column(String(128), primary_key=True)
    holder: Mapped[str] = mapped_column(String(128))
    claimed_at: Mapped[datetime] = mapped_column(Instant)
    seen_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    # Last: SQLite reads through what is long to what stands behind it.
    document: Mapped[bytes] = mapped_column(LargeBinary)
