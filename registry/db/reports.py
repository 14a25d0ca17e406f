"""What is told from outside: events by their sender's id, and statuses of deployments."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry import errors
from registry.db.tables import Deployment, Event


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


def deployments(session: Session) -> Sequence[Deployment]:
    """All, by environment and name."""
    return session.scalars(
        select(Deployment).order_by(Deployment.environment, Deployment.name)
    ).all()
