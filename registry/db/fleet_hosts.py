"""Hosts of the fleet: what reports, enrolments and agents tell of them, page by page."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, tuple_
from sqlalchemy.orm import Session

from registry.core.standing import OnHost
from registry.db.tables_access import Host
from registry.db.tables_agents import Agent
from registry.db.tables_log import Deployment, DeploymentHost

_FIELDS = ("host", "model", "version", "sync", "health", "trust", "severity")


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one host: its enrolment, its agent, and what runs there, counted.

    `deployments` counts by (health, trust); `reported_at` is the newest report that names it.
    """

    name: str
    enrolled: Host | None
    agent: tuple[datetime, str] | None
    deployments: dict[tuple[str, str], int]
    reported_at: datetime | None


def place(session: Session, environment: str, name: str, hosts: Sequence[OnHost]) -> None:
    """Keep which hosts the deployment is on; writes nothing where that is known already."""
    of_it = (DeploymentHost.environment == environment, DeploymentHost.name == name)
    columns = [getattr(DeploymentHost, field) for field in _FIELDS]
    rows = session.execute(select(*columns).where(*of_it).order_by(DeploymentHost.host))
    known = [tuple(row) for row in rows]
    wanted = [tuple(getattr(one, field) for field in _FIELDS) for one in hosts]
    if known == wanted:
        return
    session.execute(delete(DeploymentHost).where(*of_it))
    if wanted:
        key = {"environment": environment, "name": name}
        session.execute(
            insert(DeploymentHost), [dict(zip(_FIELDS, row, strict=True)) | key for row in wanted]
        )


def forget(session: Session, environment: str, name: str) -> None:
    """The deployment is no more."""
    place(session, environment, name, ())


def page(session: Session, *, after: str, limit: int) -> list[Seen]:
    """Hosts whose names come after `after`, by name, whoever told of them."""
    names: set[str] = set()
    for column in (DeploymentHost.host, Host.name, Agent.host):
        statement = select(column).where(column > after).distinct().order_by(column).limit(limit)
        names.update(session.scalars(statement))
    return some(session, sorted(names)[:limit])


def some(session: Session, names: Collection[str]) -> list[Seen]:
    """What is known of these, by name."""
    enrolled = {row.name: row for row in session.scalars(select(Host).where(Host.name.in_(names)))}
    agents = {
        host: (seen, holder)
        for host, seen, holder in session.execute(
            select(Agent.host, Agent.seen_at, Agent.holder).where(Agent.host.in_(names))
        )
    }
    counts: dict[str, dict[tuple[str, str], int]] = {}
    by = (DeploymentHost.host, DeploymentHost.health, DeploymentHost.trust)
    counted = select(*by, func.count()).where(DeploymentHost.host.in_(names)).group_by(*by)
    for host, health, trust, count in session.execute(counted):
        counts.setdefault(host, {})[health, trust] = count
    reported = _reported(session, names)
    return [
        Seen(name, enrolled.get(name), agents.get(name), counts.get(name, {}), reported.get(name))
        for name in sorted(names)
    ]


def _reported(session: Session, names: Collection[str]) -> dict[str, datetime]:
    on = (Deployment.environment == DeploymentHost.environment) & (
        Deployment.name == DeploymentHost.name
    )
    statement = (
        select(DeploymentHost.host, func.max(Deployment.updated_at))
        .join(Deployment, on)
        .where(DeploymentHost.host.in_(names))
        .group_by(DeploymentHost.host)
    )
    return {host: at for host, at in session.execute(statement)}  # noqa: C416  rows, not tuples


def on_host(
    session: Session, host: str, *, behind: tuple[int, str, str] | None, limit: int
) -> Sequence[DeploymentHost]:
    """What is deployed there, the worst first."""
    key = (DeploymentHost.severity, DeploymentHost.environment, DeploymentHost.name)
    statement = select(DeploymentHost).where(DeploymentHost.host == host).order_by(*key)
    if behind is not None:
        statement = statement.where(tuple_(*key) > behind)
    return session.scalars(statement.limit(limit)).all()
