"""Agents, as rows: one for each host that looks after itself."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.db.tables_agents import Agent

# Columns without the document: it is long, and hardly ever new.
_SHORT = (Agent.host, Agent.holder, Agent.claimed_at, Agent.seen_at)


def find(session: Session, host: str) -> Agent | None:
    """What is known of the host's agent, or None."""
    return session.get(Agent, host)


def put(session: Session, row: Agent) -> None:
    """A host that has become its agent's own."""
    session.merge(row)


def drop(session: Session, row: Agent) -> None:
    """It is its agent's own no more."""
    session.delete(row)


def all_of(session: Session) -> list[tuple[str, str, datetime, datetime]]:
    """Host, holder, claimed, seen; by host."""
    rows = session.execute(select(*_SHORT).order_by(Agent.host))
    return [(row.host, row.holder, row.claimed_at, row.seen_at) for row in rows]


def newest(session: Session) -> datetime | None:
    """When a document last changed, None before the first."""
    return session.scalar(select(func.max(Agent.changed_at)))


def documents(session: Session, *, after: datetime | None) -> dict[str, bytes]:
    """What they told, by host, where it was new after `after`."""
    statement = select(Agent.host, Agent.document)
    if after is not None:
        statement = statement.where(Agent.changed_at > after)
    return {row.host: row.document for row in session.execute(statement)}
