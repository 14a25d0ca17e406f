"""What is told from outside: events by their sender's id, and statuses of deployments."""

from collections.abc import Sequence

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from registry import errors
from registry.db.tables_log import Deployment, Event


def event(session: Session, event_id: str) -> Event | None:
    """The event told under this id, or None."""
    return session.get(Event, event_id)


def find_deployment(session: Session, environment: str, name: str) -> Deployment | None:
    """The last status, or None."""
    return session.get(Deployment, (environment, name))


def deployment(session: Session, environment: str, name: str) -> Deployment:
    """Raises NotFound."""
    found = find_deployment(session, environment, name)
    if found is None:
        raise errors.NotFound(
            f"no status of deployment {environment}/{name}",
            fix="a reconciler sends one at each pass; see whether it runs",
        )
    return found


def page(session: Session, *, behind: tuple[str, str] | None, limit: int) -> Sequence[Deployment]:
    """By environment and name, those behind the pair."""
    key = (Deployment.environment, Deployment.name)
    statement = select(Deployment).order_by(*key).limit(limit)
    if behind is not None:
        statement = statement.where(tuple_(*key) > behind)
    return session.scalars(statement).all()


def deployments(session: Session) -> Sequence[Deployment]:
    """All, by environment and name."""
    return session.scalars(
        select(Deployment).order_by(Deployment.environment, Deployment.name)
    ).all()
