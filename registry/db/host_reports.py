"""Reports of hosts, as rows: the newest of each host alone, and the lines that came with it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from registry.db import tables
from registry.db.tables import Version
from registry.db.tables_host_reports import HostReport, InstanceLog

_INSERTS: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_TOLD = ("reported_by", "reported_at", "page_logs", "document")


def replace(session: Session, report: HostReport) -> None:
    """Keep `report` in place of the host's last one. Until the transaction ends nobody else
    replaces this host's."""
    row = {"host": report.host} | {name: getattr(report, name) for name in _TOLD}
    statement = _INSERTS[session.get_bind().dialect.name](HostReport).values(row)
    changed = {name: statement.excluded[name] for name in _TOLD}
    session.execute(statement.on_conflict_do_update(index_elements=["host"], set_=changed))
    session.execute(delete(InstanceLog).where(InstanceLog.host == report.host))


def add_logs(session: Session, logs: Sequence[InstanceLog]) -> None:
    """Of a host whose report was just replaced."""
    columns = InstanceLog.metadata.tables[InstanceLog.__tablename__].c.keys()
    if logs:
        rows = [{name: getattr(one, name) for name in columns} for one in logs]
        session.execute(insert(InstanceLog), rows)


def sizes(
    session: Session, host: str, deployments: Collection[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """How many bytes of lines there are of each of `deployments` on other hosts than `host`."""
    key = (InstanceLog.environment, InstanceLog.name)
    statement = (
        select(*key, func.sum(InstanceLog.size))
        .where(tuple_(*key).in_(deployments), InstanceLog.host != host)
        .group_by(*key)
    )
    return {(row[0], row[1]): int(row[2]) for row in session.execute(statement)}


def standing(session: Session, versions: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those of `versions`, by model and number, that there are and that were not erased."""
    key = (Version.model, Version.version)
    statement = select(*key).where(tuple_(*key).in_(versions), Version.status != tables.ERASED)
    return {(row[0], row[1]) for row in session.execute(statement)}


def forget_before(session: Session, at: datetime) -> None:
    """Drop what was told last before `at`."""
    session.execute(delete(InstanceLog).where(InstanceLog.written_at < at))
    session.execute(delete(HostReport).where(HostReport.reported_at < at))


def drop_host(session: Session, host: str) -> None:
    """All that was told of a host."""
    session.execute(delete(InstanceLog).where(InstanceLog.host == host))
    session.execute(delete(HostReport).where(HostReport.host == host))


def drop_deployment(session: Session, environment: str, name: str) -> None:
    """The lines of a deployment that is no more."""
    of_it = (InstanceLog.environment == environment, InstanceLog.name == name)
    session.execute(delete(InstanceLog).where(*of_it))


def drop_version(session: Session, model: str, version: int) -> None:
    """The lines that were written by instances of a version."""
    of_it = (InstanceLog.model == model, InstanceLog.version == version)
    session.execute(delete(InstanceLog).where(*of_it))


def find(session: Session, host: str) -> HostReport | None:
    """What was told of the host last, or None."""
    return session.get(HostReport, host)


def told(session: Session, hosts: Collection[str]) -> dict[str, tuple[datetime, int]]:
    """When each of `hosts` was told of last, and how many lines are told of each instance."""
    columns = (HostReport.host, HostReport.reported_at, HostReport.page_logs)
    rows = session.execute(select(*columns).where(HostReport.host.in_(hosts)))
    return {host: (at, page_logs) for host, at, page_logs in rows}


def logs(
    session: Session, environment: str, name: str, hosts: Collection[str]
) -> Sequence[InstanceLog]:
    """The lines of a deployment on `hosts`, by host, the newest version first."""
    statement = (
        select(InstanceLog)
        .where(InstanceLog.environment == environment, InstanceLog.name == name)
        .where(InstanceLog.host.in_(hosts))
        .order_by(InstanceLog.host, InstanceLog.version.desc(), InstanceLog.instance)
    )
    return session.scalars(statement).all()
