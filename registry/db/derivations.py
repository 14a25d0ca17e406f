"""What is said of versions, row by row, and the edges of lineage between them."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry import errors
from registry.core import facts
from registry.core.facts import Facts, Parent
from registry.db import versions
from registry.db.tables import Dataset, Derivation, Metric, Parameter, Version, VersionTag

Described = VersionTag | Metric | Parameter | Dataset | Derivation


def describe(session: Session, version_id: int, said: Facts) -> None:
    """Write down what is said of a version; InvalidInput where a parent is not there."""
    for rows in described(session, said).values():
        for row in rows:
            row.version_id = version_id
        session.add_all(rows)
    session.flush()


def described(session: Session, said: Facts) -> dict[str, list[Described]]:
    """What is said, as rows that do not know their version yet, by the version's own lists."""
    return {
        "tags": [
            VersionTag(key=key, value=value, start=facts.start(value))
            for key, value in said.tags.items()
        ],
        "metrics": [Metric(key=key, value=value) for key, value in said.metrics.items()],
        "parameters": [
            Parameter(key=key, value=value, start=facts.start(value))
            for key, value in said.parameters.items()
        ],
        "datasets": [
            Dataset(name=data.name, digest=data.digest, uri=data.uri) for data in said.datasets
        ],
        "parents": [_edge(session, parent) for parent in said.parents],
    }


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


def _edge(session: Session, parent: Parent) -> Derivation:
    parent_id = None
    if parent.model:
        found = versions.find(session, parent.model, parent.version)
        if found is None or found.digest is None:
            raise errors.InvalidInput(
                f"parent {parent.name} is not a version of this registry",
                fix="publish the parent first, or name it as a reference elsewhere",
            )
        parent_id = found.id
    return Derivation(
        relation=parent.relation,
        reference=parent.name,
        parent_id=parent_id,
    )
