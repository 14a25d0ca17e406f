"""What is said of versions, row by row, and the edges of lineage between them."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry import errors
from registry.core import facts
from registry.core.facts import Facts, Parent
from registry.db import fresh, versions, whole
from registry.db.tables import Derivation, Version


def describe(session: Session, version_id: int, said: Facts) -> None:
    """Write down what is said of a version; InvalidInput where a parent is not there."""
    fresh.describe(session, version_id, described(session, said))


def described(session: Session, said: Facts) -> fresh.Described:
    """What is said, as rows that do not know their version yet; raises as above."""
    return fresh.Described(
        tags=[fresh.Tag(key, value, facts.start(value)) for key, value in said.tags.items()],
        metrics=[whole.Metric(key, value) for key, value in said.metrics.items()],
        parameters=[
            fresh.Tag(key, value, facts.start(value)) for key, value in said.parameters.items()
        ],
        datasets=[whole.Dataset(data.name, data.digest, data.uri) for data in said.datasets],
        parents=[_edge(session, parent) for parent in said.parents],
    )


def from_parents(session: Session, ids: Iterable[int]) -> Sequence[Derivation]:
    """The edges from these versions to what they were made of."""
    return session.scalars(
        select(Derivation)
        .where(Derivation.version_id.in_(ids))
        .order_by(Derivation.version_id, Derivation.relation, Derivation.reference)
    ).all()


def from_children(session: Session, ids: Iterable[int], *, limit: int) -> Sequence[Derivation]:
    """The edges from what was made of these versions, oldest first."""
    return session.scalars(
        select(Derivation)
        .where(Derivation.parent_id.in_(ids))
        .order_by(Derivation.version_id, Derivation.relation)
        .limit(limit)
    ).all()


def named(session: Session, ids: Iterable[int]) -> Sequence[Version]:
    """These versions, with all that their documents show."""
    statement = select(Version).where(Version.id.in_(ids)).options(*versions.WHOLE)
    return session.scalars(statement).all()


def _edge(session: Session, parent: Parent) -> whole.Parent:
    parent_id = None
    if parent.model:
        found = versions.find(session, parent.model, parent.version)
        if found is None or found.digest is None:
            raise errors.InvalidInput(
                f"parent {parent.name} is not a version of this registry",
                fix="publish the parent first, or name it as a reference elsewhere",
            )
        parent_id = found.id
    return whole.Parent(parent.relation, parent.name, parent_id)
