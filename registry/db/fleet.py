"""Deployments by how they stand: counted and listed from one narrow index, whatever their size."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from registry.db.tables_log import Deployment, FleetChanges

_INSERTS: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_ONLY = 1


@dataclass(frozen=True, slots=True)
class Count:
    """How many deployments of an environment and a model stand alike."""

    environment: str
    model: str
    sync: str
    health: str
    trust: str
    count: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which to list: what is empty is not asked for; `models` None is all of them."""

    environment: str = ""
    sync: str = ""
    health: str = ""
    trust: str = ""
    name: str = ""
    models: Collection[str] | None = None
    has_experiment: bool = False
    has_promotion: bool = False


def counts(session: Session) -> list[Count]:
    """All deployments, grouped."""
    by = (
        Deployment.environment,
        Deployment.model,
        Deployment.sync,
        Deployment.health,
        Deployment.trust,
    )
    rows = session.execute(select(*by, func.count()).group_by(*by))
    return [Count(*row) for row in rows]


def changes(session: Session) -> int:
    """How often `change` was committed."""
    return session.scalar(select(FleetChanges.count)) or 0


def change(session: Session) -> None:
    """Count what is about to be committed: the last statement of its transaction.

    Times would not do: clocks differ, and of two changes the earlier may be committed last. This
    row is its writer's until the commit, so whoever reads a count has seen all up to it.
    """
    insert = _INSERTS[session.get_bind().dialect.name](FleetChanges).values(id=_ONLY, count=1)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["id"], set_={"count": FleetChanges.count + 1}
        ).execution_options(synchronize_session=False)
    )


def page(
    session: Session, wanted: Wanted, *, behind: tuple[int, str, str] | None, limit: int
) -> Sequence[Deployment]:
    """The worst first, then by environment and name; those behind the triple."""
    key = (Deployment.severity, Deployment.environment, Deployment.name)
    statement = _fitting(select(*key).order_by(*key).limit(limit), wanted)
    if behind is not None:
        statement = statement.where(tuple_(*key) > behind)
    found = [(row.environment, row.name) for row in session.execute(statement)]
    if not found:
        return []
    rows = session.scalars(
        select(Deployment).where(tuple_(Deployment.environment, Deployment.name).in_(found))
    )
    places = {place: number for number, place in enumerate(found)}
    return sorted(rows, key=lambda row: places[row.environment, row.name])


def _fitting(statement: Select[int, str, str], wanted: Wanted) -> Select[int, str, str]:
    for column, value in (
        (Deployment.environment, wanted.environment),
        (Deployment.sync, wanted.sync),
        (Deployment.health, wanted.health),
        (Deployment.trust, wanted.trust),
    ):
        if value:
            statement = statement.where(column == value)
    if wanted.name:
        statement = statement.where(Deployment.name.contains(wanted.name, autoescape=True))
    if wanted.has_experiment:
        statement = statement.where(Deployment.experiment != "")
    if wanted.has_promotion:
        statement = statement.where(Deployment.promotion != "")
    if wanted.models is not None:
        statement = statement.where(Deployment.model.in_(wanted.models))
    return statement
