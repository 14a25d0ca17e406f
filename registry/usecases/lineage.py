"""Lineage: what a version was made of, and what was made of it, both ways as far as asked."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from registry.db import derivations, versions
from registry.db.engine import Session
from registry.db.tables import Derivation, Version
from registry.usecases.opening import Registry

DEPTH = 16
_NODES = 500


@dataclass(frozen=True, slots=True)
class Edge:
    """`child` was made of `parent` (both `model@version`, or a reference elsewhere)."""

    child: str
    relation: str
    parent: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """A version's ancestors and descendants; `is_cut` where there are more than were asked for."""

    subject: Version
    versions: tuple[Version, ...]
    edges: tuple[Edge, ...]
    is_cut: bool


def trace(registry: Registry, model: str, number: int, *, depth: int = DEPTH) -> Lineage:
    """Both ways, at most `depth` steps each and 500 versions in all; raises NotFound.

    Costs two queries for each step, however many versions there are in it.
    """
    with registry.database.reading() as session:
        subject = versions.whole(session, model, number)
        walk = _Walk(session, subject.id)
        walk.follow(lambda ids: derivations.from_parents(session, ids), _parent, depth)
        walk.follow(
            lambda ids: derivations.from_children(session, ids, limit=_NODES), _child, depth
        )
        found = derivations.named(session, walk.seen)
    names = {row.id: f"{row.model}@{row.version}" for row in found}
    edges = {
        Edge(
            names[row.version_id],
            row.relation,
            names.get(row.parent_id, row.reference) if row.parent_id else row.reference,
        )
        for row in walk.edges
        if row.version_id in names
    }
    others = sorted((row for row in found if row.id != subject.id), key=lambda row: row.id)
    listed = sorted(edges, key=lambda edge: (edge.child, edge.relation, edge.parent))
    return Lineage(subject, tuple(others), tuple(listed), walk.is_cut)


class _Walk:
    """Breadth first from one version; a circle, should there be one, is walked once."""

    def __init__(self, session: Session, start: int) -> None:
        self.session = session
        self.start = start
        self.seen = {start}
        self.edges: list[Derivation] = []
        self.is_cut = False

    def follow(
        self,
        edges_of: Callable[[Iterable[int]], Sequence[Derivation]],
        next_of: Callable[[Derivation], int | None],
        depth: int,
    ) -> None:
        """Step by step from the start, in one direction."""
        frontier = {self.start}
        for _ in range(depth):
            found = edges_of(frontier)
            self.edges += found
            frontier = {near for row in found if (near := next_of(row)) is not None} - self.seen
            if len(self.seen) + len(frontier) > _NODES:
                self.is_cut = True
                frontier = set(sorted(frontier)[: _NODES - len(self.seen)])
            self.seen |= frontier
            if not frontier:
                return
        self.is_cut = self.is_cut or bool(edges_of(frontier))


def _parent(row: Derivation) -> int | None:
    return row.parent_id


def _child(row: Derivation) -> int | None:
    return row.version_id
