"""Claims on bytes: who is about to store or to refer to them says so here first.

The order that makes a sweep safe: the claim is committed before the bytes are stored, and taking
them for a version happens under the writer's lock, as does their removal.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum

from sqlalchemy import Connection, exists, select, update
from sqlalchemy.orm import Session

from registry.db.prepared import Asked, Listed
from registry.db.tables import Blob
from registry.db.tables_log import LogHead
from registry.db.tables_watermark import WatermarkSource


class State(Enum):
    """Of a blob: nobody has claimed it, somebody has, or a sweep is about to remove it."""

    UNKNOWN = "unknown"
    CLAIMED = "claimed"
    CONDEMNED = "condemned"


_BLOBS = Blob.metadata.tables[Blob.__tablename__]
_CLAIMED = select(_BLOBS.c.digest, _BLOBS.c.created_at).where(_BLOBS.c.condemned_at.is_(None))
_ORIGINAL = exists().where(WatermarkSource.digest == _BLOBS.c.digest, WatermarkSource.is_changed)
_PRESENT = Listed(_CLAIMED, _BLOBS.c.digest)
_HEADS = LogHead.metadata.tables[LogHead.__tablename__]
_PRESENT_AT = Listed(
    _CLAIMED.add_columns(_HEADS.c.size).select_from(_BLOBS.join(_HEADS, _HEADS.c.id == 1)),
    _BLOBS.c.digest,
)
_PRESENT_OR_ORIGINAL = Listed(_CLAIMED.add_columns(_ORIGINAL.label("is_original")), _BLOBS.c.digest)


def claim(session: Session, sizes: Iterable[tuple[str, int]], *, now: datetime) -> None:
    """Say that these (digest, size) are wanted from `now` on; a condemned one is pardoned."""
    wanted = dict(sizes)
    known = {row.digest: row for row in _rows(session, wanted)}
    for digest in known:
        session.execute(
            update(Blob).where(Blob.digest == digest).values(used_at=now, condemned_at=None)
        )
    session.add_all(
        Blob(digest=digest, size=size, created_at=now, used_at=now, condemned_at=None)
        for digest, size in wanted.items()
        if digest not in known
    )
    session.flush()


def claims(session: Session | Connection, digests: Iterable[str]) -> dict[str, datetime]:
    """Since when each is claimed; without those that nobody has claimed or that are condemned."""
    return dict(_PRESENT.rows(session, list(set(digests))))


def claims_at(
    connection: Connection, digests: Iterable[str]
) -> tuple[dict[str, datetime], int | None]:
    """As `claims`, and the log's size at that moment; None where nothing is claimed."""
    rows = _PRESENT_AT.rows(connection, list(set(digests)))
    size: int | None = rows[0][2] if rows else None
    return {digest: since for digest, since, _ in rows}, size


def ask_for_originals(session: Session, digests: Iterable[str]) -> Asked:
    """Asks what `claims_and_originals` tells."""
    return _PRESENT_OR_ORIGINAL.ask(session, list(set(digests)))


def claims_and_originals(asked: Asked) -> tuple[dict[str, datetime], list[str]]:
    """As `claims`, and those among them that a marked version was made from."""
    rows = asked()
    found = {digest: since for digest, since, _ in rows}
    return found, [digest for digest, _, is_original in rows if is_original]


def missing(session: Session, digests: Iterable[str]) -> set[str]:
    """Those that nobody has claimed, or that a sweep is about to remove.

    Under the writer's lock the answer stays true until the transaction ends.
    """
    wanted = set(digests)
    return wanted - claims(session, wanted).keys()


def state(session: Session, digest: str) -> State:
    """Whether somebody claims the blob."""
    found = session.execute(select(Blob.condemned_at).where(Blob.digest == digest)).one_or_none()
    if found is None:
        return State.UNKNOWN
    return State.CLAIMED if found[0] is None else State.CONDEMNED


def _rows(session: Session, digests: Iterable[str]) -> Iterable[Blob]:
    return session.scalars(select(Blob).where(Blob.digest.in_(digests)))
