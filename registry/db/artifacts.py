"""The staging tree: uploaded artifacts by path, and what is directly or anywhere below a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, or_, select, true
from sqlalchemy.orm import Session

from registry.db.tables_artifacts import Artifact

_TOGETHER = 500
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Child:
    """Something directly in a folder; `size` is None for a folder."""

    name: str
    size: int | None


def find(session: Session, path: str) -> Artifact | None:
    """The file at `path`, or None."""
    return session.get(Artifact, path)


def below(session: Session, folder: str, *, limit: int) -> Sequence[Artifact]:
    """The first files anywhere below `folder`, by path."""
    statement = select(Artifact).where(_inside(folder)).order_by(Artifact.path).limit(limit)
    return session.scalars(statement).all()


def children(session: Session, folder: str) -> list[Child]:
    """What is directly in `folder`; each folder in it costs a step, however much it holds."""
    start = f"{folder}/" if folder else ""
    found: dict[str, int | None] = {}
    after = start
    while True:
        rows = session.execute(
            select(Artifact.path, Artifact.size)
            .where(_inside(folder), Artifact.path > after)
            .order_by(Artifact.path)
            .limit(_TOGETHER)
        ).all()
        for path, size in rows:
            name, slash, _ = path.removeprefix(start).partition("/")
            found[name] = None if slash else size
            after = f"{start}{name}/{_LAST}" if slash else path
        if len(rows) < _TOGETHER:
            return [Child(name, size) for name, size in found.items()]


def folder_of_run(session: Session, run_id: str, path: str) -> str | None:
    """Where a run's artifacts below `path` are; runs have a folder in that of their experiment."""
    for folder in (f"{run_id}/artifacts/{path}", f"{run_id}/{path}"):
        if find(session, folder) or below(session, folder, limit=1):
            return folder
    inner = f"/{run_id}/artifacts/{path}/"
    first = session.scalars(
        select(Artifact.path)
        .where(Artifact.path.contains(inner, autoescape=True))
        .order_by(Artifact.path)
        .limit(1)
    ).first()
    return None if first is None else first[: first.index(inner) + len(inner) - 1]


def in_the_way(session: Session, path: str) -> str | None:
    """What keeps `path` from being a file: a file where it needs a folder, or a folder."""
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts))]
    statement = select(Artifact.path).where(or_(Artifact.path.in_(above), _inside(path))).limit(1)
    return session.scalars(statement).first()


def point(session: Session, new: Artifact) -> None:
    """Put `new` at its path, in place of what was there."""
    session.merge(new)
    session.flush()


def remove(session: Session, path: str) -> int:
    """Remove the file, or all below the folder; says how many files went."""
    gone = session.execute(
        delete(Artifact)
        .where(or_(Artifact.path == path, _inside(path)))
        .returning(Artifact.path)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())


def older_than(session: Session, moment: datetime, *, limit: int) -> Sequence[Artifact]:
    """Files uploaded before `moment`, the oldest first."""
    return session.scalars(
        select(Artifact)
        .where(Artifact.created_at < moment)
        .order_by(Artifact.created_at, Artifact.path)
        .limit(limit)
    ).all()


def _inside(folder: str) -> ColumnElement[bool]:
    """All below `folder`, as a range: '0' is the character after '/'."""
    if not folder:
        return true()
    return and_(Artifact.path > f"{folder}/", Artifact.path < f"{folder}0")
