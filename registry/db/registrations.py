"""Versions that came in through MLflow: what they were frozen as, and whose turn they are."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from registry.core.oms import File
from registry.db.tables import PENDING, Version
from registry.db.tables_artifacts import Registration, RegistrationFile


def add(session: Session, new: Registration, files: Iterable[File]) -> None:
    """Insert the registration and the files it is frozen as."""
    session.add(new)
    session.flush()
    session.add_all(
        RegistrationFile(
            version_id=new.version_id, path=file.path, digest=file.digest, size=file.size
        )
        for file in files
    )
    session.flush()


def find(session: Session, version_id: int) -> Registration | None:
    """The registration, or None for a version that came in another way."""
    return session.get(Registration, version_id)


def of(session: Session, ids: Iterable[int]) -> dict[int, Registration]:
    """The registrations of these versions, as far as they have any."""
    statement = select(Registration).where(Registration.version_id.in_(ids))
    return {row.version_id: row for row in session.scalars(statement)}


def files(session: Session, version_id: int) -> tuple[File, ...]:
    """What the version was frozen as, by path."""
    rows = session.scalars(
        select(RegistrationFile)
        .where(RegistrationFile.version_id == version_id)
        .order_by(RegistrationFile.path)
    )
    return tuple(File(row.path, row.digest, row.size) for row in rows)


def due(session: Session, now: datetime) -> int | None:
    """The id of the oldest pending version that nobody is checking; None where there is none."""
    return session.scalars(
        select(Version.id)
        .join(Registration, Registration.version_id == Version.id)
        .where(Version.status == PENDING, Registration.due_at <= now)
        .order_by(Version.id)
        .limit(1)
    ).first()


def take(
    session: Session, version_id: int, worker: str, *, now: datetime, until: datetime
) -> Registration | None:
    """Hold the version for `worker`; None where another one was first."""
    taken = session.scalars(
        update(Registration)
        .where(Registration.version_id == version_id, Registration.due_at <= now)
        .values(worker=worker, due_at=until, attempts=Registration.attempts + 1)
        .returning(Registration)
        .execution_options(populate_existing=True)
    )
    return taken.one_or_none()


def keep(session: Session, version_id: int, worker: str, *, until: datetime) -> None:
    """Go on holding it; nothing happens where `worker` does not."""
    session.execute(
        update(Registration)
        .where(Registration.version_id == version_id, Registration.worker == worker)
        .values(due_at=until)
    )


def settled(session: Session) -> Sequence[int]:
    """Versions that are not pending any more and still refer to what they were frozen as."""
    return session.scalars(
        select(RegistrationFile.version_id)
        .join(Version, Version.id == RegistrationFile.version_id)
        .where(Version.status != PENDING)
        .distinct()
    ).all()


def let_go_settled(session: Session) -> None:
    """As `let_go`, of all that are not pending any more."""
    for version_id in settled(session):
        let_go(session, version_id)


def let_go(session: Session, version_id: int) -> None:
    """Refer no more to what the version was frozen as."""
    session.execute(delete(RegistrationFile).where(RegistrationFile.version_id == version_id))
    session.execute(
        update(Registration)
        .where(Registration.version_id == version_id)
        .values(signature=None, origin_id=None)
    )


def forget(session: Session, version_id: int) -> None:
    """As `let_go`, and nothing that the client said stays either."""
    let_go(session, version_id)
    session.execute(
        update(Registration)
        .where(Registration.version_id == version_id)
        .values(run_link="", model_id="", refusal="")
    )
