"""Rows of documents that are kept ready. One is only given while it is of the version as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    insert,
    select,
)
from sqlalchemy.orm import Session

from registry.db.prepared import Listed, Prepared
from registry.db.tables import Version
from registry.db.tables_documents import VersionDocument
from registry.db.tables_evidence import Evidence

# Raised with whatever changes what documents say: those of before are then made anew (tests).
FORM = 2

_VERSIONS, _DOCUMENTS, _EVIDENCE = (
    kind.metadata.tables[kind.__tablename__] for kind in (Version, VersionDocument, Evidence)
)
_INSERT = Prepared(insert(_DOCUMENTS))
_IS_OF_IT = and_(
    _DOCUMENTS.c.version_id == _VERSIONS.c.id,
    _DOCUMENTS.c.updated_at == _VERSIONS.c.updated_at,
    _DOCUMENTS.c.form == FORM,
)
_ONE = Prepared(
    select(
        _VERSIONS.c.id,
        _VERSIONS.c.updated_at,
        _DOCUMENTS.c.content,
        select(1).where(_EVIDENCE.c.version_id == _VERSIONS.c.id).exists().label("is_proven"),
    )
    .select_from(_VERSIONS.outerjoin(_DOCUMENTS, _IS_OF_IT))
    .where(_VERSIONS.c.model == bindparam("model"), _VERSIONS.c.version == bindparam("version"))
)
_OF_MANY = Listed(
    select(_VERSIONS.c.id, _DOCUMENTS.c.content).select_from(_VERSIONS.join(_DOCUMENTS, _IS_OF_IT)),
    _VERSIONS.c.id,
)
_LACKING = (
    select(_VERSIONS.c.id)
    .select_from(_VERSIONS.outerjoin(_DOCUMENTS, _IS_OF_IT))
    .where(_VERSIONS.c.updated_at >= bindparam("since"), _DOCUMENTS.c.version_id.is_(None))
    .order_by(_VERSIONS.c.updated_at)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Found:
    """A version, its document if there is a current one, and whether there is evidence on it."""

    id: int
    updated_at: datetime
    content: str | None
    is_proven: bool


@dataclass(frozen=True, slots=True)
class Document:
    """What is to be kept: `updated_at` is that of the version it was made of."""

    version_id: int
    updated_at: datetime
    content: str


def one(session: Session | Connection, model: str, number: int) -> Found | None:
    """In one statement; None where there is no such version."""
    row = _ONE.row(session, {"model": model, "version": number})
    return None if row is None else Found(*row)


def current(session: Session, ids: Sequence[int]) -> Mapping[int, str]:
    """Those of these versions that are there and of their versions as they are now."""
    return dict(_OF_MANY.rows(session, ids))


def lacking(session: Session, *, since: datetime, most: int) -> Sequence[int]:
    """Versions changed since then whose document is missing or old, the longest so first."""
    return session.scalars(_LACKING, {"since": since, "most": most}).all()


def unchanged(session: Session, documents: Sequence[Document]) -> list[Document]:
    """Those that are of their versions as they are now."""
    ids = [made.version_id for made in documents]
    found = select(_VERSIONS.c.id, _VERSIONS.c.updated_at).where(_VERSIONS.c.id.in_(ids))
    now = {row.id: row.updated_at for row in session.execute(found)}
    return [made for made in documents if now.get(made.version_id) == made.updated_at]


def add(session: Session, document: Document) -> None:
    """Write down that of a version which has none."""
    _INSERT.write(session, [_values(document)])


def replace(session: Session, documents: Sequence[Document]) -> None:
    """Write them down in place of whatever is there."""
    if not documents:
        return
    ids = [made.version_id for made in documents]
    session.execute(delete(_DOCUMENTS).where(_DOCUMENTS.c.version_id.in_(ids)))
    _INSERT.write(session, [_values(made) for made in documents])


def forget(session: Session, version_id: int) -> None:
    session.execute(delete(_DOCUMENTS).where(_DOCUMENTS.c.version_id == version_id))


def _values(document: Document) -> dict[str, object]:
    return {
        "version_id": document.version_id,
        "updated_at": document.updated_at,
        "form": FORM,
        "content": document.content,
    }
