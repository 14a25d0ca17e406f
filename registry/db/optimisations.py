"""Rows of recipes that the registry runs. Writers hold the lock."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session, contains_eager

from registry.core.oms import File
from registry.db.tables import Version
from registry.db.tables_optimisations import Optimisation, OptimisationFile

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
DATA, MADE = "data", "made"


def add(session: Session, new: Optimisation, data: Iterable[File]) -> None:
    """Insert it with the files that it is given."""
    session.add(new)
    session.flush()
    _add_files(session, new.id, DATA, data)


def find(session: Session, name: str) -> Optimisation | None:
    """The one of this id, with its version."""
    return session.scalars(_whole().where(Optimisation.id == name)).one_or_none()


def page(
    session: Session, *, before: tuple[datetime, str] | None, limit: int
) -> Sequence[Optimisation]:
    """The newest first, beginning behind the one that was made at that time."""
    statement = _whole().order_by(Optimisation.created_at.desc(), Optimisation.id.desc())
    if before is not None:
        at, name = before
        statement = statement.where(
            or_(
                Optimisation.created_at < at,
                and_(Optimisation.created_at == at, Optimisation.id < name),
            )
        )
    return session.scalars(statement.limit(limit)).all()


def files(session: Session, name: str, role: str) -> tuple[File, ...]:
    """Those that it was given, or that came of it."""
    rows = session.scalars(
        select(OptimisationFile)
        .where(OptimisationFile.optimisation_id == name, OptimisationFile.role == role)
        .order_by(OptimisationFile.path)
    )
    return tuple(File(row.path, row.digest, row.size) for row in rows)


def waiting(session: Session) -> int:
    """How many are not done yet."""
    return session.scalars(select(func.count()).select_from(Optimisation).where(_is_open())).one()


def due(session: Session, now: datetime) -> str | None:
    """The oldest that nobody is running."""
    return session.scalars(
        select(Optimisation.id)
        .where(_is_open(), Optimisation.due_at <= now)
        .order_by(Optimisation.created_at, Optimisation.id)
        .limit(1)
    ).first()


def take(session: Session, name: str, worker: str, *, now: datetime, until: datetime) -> bool:
    """Hold it for `worker`; False where another one was first."""
    taken = session.scalars(
        update(Optimisation)
        .where(Optimisation.id == name, _is_open(), Optimisation.due_at <= now)
        .values(
            worker=worker, due_at=until, state=RUNNING, attempts=Optimisation.attempts + 1,
            updated_at=now,
        )
        .returning(Optimisation.id)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    return taken.first() is not None


def keep(session: Session, name: str, worker: str, **values: object) -> bool:
    """Change what is known of it, while `worker` has it; False where it has not any more."""
    kept = session.scalars(
        update(Optimisation)
        .where(Optimisation.id == name, Optimisation.worker == worker, _is_open())
        .values(**values)
        .returning(Optimisation.id)
        .execution_options(synchronize_session=False)
    )
    return kept.first() is not None


def add_made(session: Session, name: str, made: Iterable[File]) -> None:
    """What came of it."""
    _add_files(session, name, MADE, made)


def drop(session: Session, names: Sequence[str]) -> None:
    """Forget them: nobody refers to their files from then on."""
    for table, column in (
        (OptimisationFile, OptimisationFile.optimisation_id),
        (Optimisation, Optimisation.id),
    ):
        session.execute(
            delete(table).where(column.in_(names)).execution_options(synchronize_session=False)
        )


def drop_version(session: Session, version_id: int) -> None:
    """What is made of a version goes with its bytes."""
    drop(session, session.scalars(
        select(Optimisation.id).where(Optimisation.version_id == version_id)
    ).all())  # fmt: skip


def ended_before(session: Session, before: datetime, *, limit: int) -> Sequence[str]:
    """Those that ended before that time."""
    return session.scalars(
        select(Optimisation.id)
        .where(Optimisation.state.in_((DONE, FAILED)), Optimisation.updated_at < before)
        .limit(limit)
    ).all()


def _whole() -> Select[Optimisation]:
    return (
        select(Optimisation)
        .join(Version, Version.id == Optimisation.version_id)
        .options(contains_eager(Optimisation.version))
    )


def _is_open() -> ColumnElement[bool]:
    return Optimisation.state.in_((WAITING, RUNNING))


def _add_files(session: Session, name: str, role: str, found: Iterable[File]) -> None:
    session.add_all(
        OptimisationFile(
            optimisation_id=name, role=role, path=one.path, digest=one.digest, size=one.size
        )
        for one in found
    )
    session.flush()
