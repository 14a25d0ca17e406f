"""The tables of reconcilers that share their work: who acts on which host, and what they know."""

from datetime import datetime

from sqlalchemy import BigInteger, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table


class Reconciler(Table):
    """One that has asked for hosts; it is there until `expires_at`."""

    __tablename__ = "reconcilers"

    holder: Mapped[str] = mapped_column(String(128), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(Instant)


class HostLease(Table):
    """Until `expires_at` nobody but `holder` acts on the host.

    `epoch` grows by one with each new holder, and never becomes smaller: the row stays.
    """

    __tablename__ = "host_leases"

    host: Mapped[str] = mapped_column(String(128), primary_key=True)
    holder: Mapped[str] = mapped_column(String(128), index=True)
    epoch: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(Instant)


class Rollout(Table):
    """What must be remembered of a deployment on one host, in the reconciler's own JSON.

    Where `host` is empty it is of the deployment as a whole.
    """

    __tablename__ = "rollouts"

    deployment: Mapped[str] = mapped_column(String(128), primary_key=True)
    host: Mapped[str] = mapped_column(String(128), primary_key=True)
    written_by: Mapped[str] = mapped_column(String(128))
    written_at: Mapped[datetime] = mapped_column(Instant)
    # Last: SQLite reads through what is long to what stands behind it.
    document: Mapped[bytes] = mapped_column(LargeBinary)
