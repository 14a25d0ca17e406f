"""What is told from outside: events by their sender's id, and statuses of deployments."""

from collections.abc import Collection, Sequence

from sqlalchemy import insert, select, tuple_
from sqlalchemy.orm import Session

from registry import errors
from registry.db.tables_log import Deployment, Event

# Some databases bind no more than about a thousand values to a statement.
_BOUND = 500


def told(session: Session, ids: Collection[str]) -> dict[str, tuple[bytes, int]]:
    """Of these events, those that were told before: the digest of what was said, the entry."""
    found: dict[str, tuple[bytes, int]] = {}
    for start in range(0, len(ids), _BOUND):
        some = list(ids)[start : start + _BOUND]
        rows = session.execute(
            select(Event.id, Event.body_sha256, Event.log_index).where(Event.id.in_(some))
        )
        found |= {event: (body, index) for event, body, index in rows}
    return found


def add(session: Session, told: Sequence[tuple[str, bytes, int]]) -> None:
    """Events with the digest of what they say, and the entry that they stand in."""
    rows = [{"id": event, "body_sha256": body, "log_index": index} for event, body, index in told]
    session.execute(insert(Event), rows)


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
