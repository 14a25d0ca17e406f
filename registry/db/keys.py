"""Reads and writes the wrapped keys of stored blobs, and the list of destroyed ones."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from registry.db.tables import Blob
from registry.db.tables_keys import BlobKey, DestroyedKey

_TOGETHER = 500
_KEYS = BlobKey.metadata.tables[BlobKey.__tablename__]
_REWRAP = (
    update(_KEYS)
    .where(_KEYS.c.id == bindparam("key"), _KEYS.c.wrapped_by == bindparam("old"))
    .values(header=bindparam("new_header"), wrapped_by=bindparam("new_by"))
)


@dataclass(frozen=True, slots=True)
class Row:
    """One wrapped key: of which blob, its age header, and what wraps it."""

    id: str
    digest: str
    header: bytes
    wrapped_by: str


def add(session: Session, found: Iterable[Row], *, now: datetime) -> None:
    """Keep them."""
    session.add_all(
        BlobKey(id=one.id, digest=one.digest, header=one.header, wrapped_by=one.wrapped_by,
                created_at=now)
        for one in found
    )  # fmt: skip
    session.flush()


def header(session: Session, key_id: str) -> bytes | None:
    """The age header of that key; None where there is none."""
    return session.scalars(select(BlobKey.header).where(BlobKey.id == key_id)).one_or_none()


def row(session: Session, key_id: str) -> Row | None:
    """All of it."""
    found = session.get(BlobKey, key_id)
    return None if found is None else _row(found)


def destroyed(session: Session, key_ids: Collection[str]) -> set[str]:
    """Which of these are on the list."""
    statement = select(DestroyedKey.id).where(DestroyedKey.id.in_(key_ids))
    return set(session.scalars(statement))


def all_destroyed(session: Session) -> list[str]:
    """The whole list."""
    return list(session.scalars(select(DestroyedKey.id).order_by(DestroyedKey.id)))


def deny(session: Session, key_ids: Iterable[str], *, now: datetime) -> None:
    """Put these on the list of destroyed keys, for ever, and forget what wraps them."""
    wanted = sorted(set(key_ids))
    for start in range(0, len(wanted), _TOGETHER):
        page = wanted[start : start + _TOGETHER]
        known = destroyed(session, page)
        session.add_all(DestroyedKey(id=one, destroyed_at=now) for one in page if one not in known)
        session.flush()
        session.execute(delete(BlobKey).where(BlobKey.id.in_(page)))


def of_blobs(session: Session, digests: Collection[str]) -> list[str]:
    """The keys of these blobs."""
    wanted, found = sorted(digests), list[str]()
    for start in range(0, len(wanted), _TOGETHER):
        page = wanted[start : start + _TOGETHER]
        found += session.scalars(select(BlobKey.id).where(BlobKey.digest.in_(page)))
    return sorted(found)


def forget(session: Session, digests: Collection[str]) -> None:
    """Remove the keys of blobs whose bytes are gone."""
    session.execute(
        delete(BlobKey)
        .where(BlobKey.digest.in_(digests))
        .execution_options(synchronize_session=False)
    )


def forget_unclaimed(session: Session, *, before: datetime) -> None:
    """Remove keys of bytes that nobody claims: their writer died in between."""
    claimed = select(Blob.digest).where(Blob.digest == BlobKey.digest).exists()
    session.execute(
        delete(BlobKey)
        .where(BlobKey.created_at < before, ~claimed)
        .execution_options(synchronize_session=False)
    )


def stored_twice(session: Session, *, after: str, limit: int) -> Sequence[str]:
    """Blobs with more than one key, by digest."""
    statement = (
        select(BlobKey.digest)
        .where(BlobKey.digest > after)
        .group_by(BlobKey.digest)
        .having(func.count() > 1)
        .order_by(BlobKey.digest)
        .limit(limit)
    )
    return session.scalars(statement).all()


def forget_others(session: Session, digest: str, current: str, *, before: datetime) -> None:
    """Remove the older keys of a blob but the one that its payload has now."""
    session.execute(
        delete(BlobKey)
        .where(BlobKey.digest == digest, BlobKey.id != current, BlobKey.created_at < before)
        .execution_options(synchronize_session=False)
    )


def count(session: Session) -> int:
    """How many keys there are."""
    return session.scalars(select(func.count()).select_from(BlobKey)).one()


def count_not_by(session: Session, wrapped_by: str) -> int:
    """How many keys another version wraps."""
    statement = select(func.count()).select_from(BlobKey).where(BlobKey.wrapped_by != wrapped_by)
    return session.scalars(statement).one()


def not_by(session: Session, wrapped_by: str, *, after: str, limit: int) -> Sequence[Row]:
    """Keys that another version wraps, by id."""
    statement = (
        select(BlobKey)
        .where(BlobKey.wrapped_by != wrapped_by, BlobKey.id > after)
        .order_by(BlobKey.id)
        .limit(limit)
    )
    return [_row(one) for one in session.scalars(statement)]


def rewrap(session: Session, made: Sequence[tuple[Row, bytes, str]]) -> None:
    """(old row, new header, new wrapper) each. What went or was changed meanwhile stays so."""
    session.connection().execute(
        _REWRAP,
        [
            {"key": old.id, "old": old.wrapped_by, "new_header": header, "new_by": wrapped_by}
            for old, header, wrapped_by in made
        ],
    )


def _row(found: BlobKey) -> Row:
    return Row(found.id, found.digest, found.header, found.wrapped_by)
