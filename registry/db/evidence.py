"""Rows of evidence: found by version, by variant, by what OCI clients call them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, defer

from registry.core.evidence import Kind
from registry.db import whole
from registry.db.tables import READY, Variant, Version
from registry.db.tables_evidence import Evidence
from registry.db.tables_log import LogEntry

# So many of each tester's results travel with a version: what policies ask is how it is now.
_NEWEST_RESULTS = 16
_TOGETHER = 200
_LIGHT = defer(Evidence.bundle, raiseload=True)


@dataclass(frozen=True, slots=True)
class Shown:
    """A version with all that its document shows, and the newest evidence about it."""

    version: whole.Version
    evidence: Sequence[Evidence]


def find(session: Session, variant_id: int, statement: str) -> Evidence | None:
    """What the variant has under this id, or None."""
    wanted = select(Evidence).where(
        Evidence.variant_id == variant_id, Evidence.statement == statement
    )
    return session.scalars(wanted).one_or_none()


def of_version(session: Session, version_id: int, statement: str) -> Evidence | None:
    """What any variant of the version has under this id, or None."""
    wanted = select(Evidence).where(
        Evidence.version_id == version_id, Evidence.statement == statement
    )
    return session.scalars(wanted.order_by(Evidence.log_index).limit(1)).one_or_none()


def page(session: Session, version_id: int, *, after: int, limit: int) -> Sequence[Evidence]:
    """In the order of the log, without the bundles."""
    wanted = select(Evidence).where(Evidence.version_id == version_id, Evidence.log_index > after)
    return session.scalars(wanted.order_by(Evidence.log_index).limit(limit).options(_LIGHT)).all()


def newest(session: Session, version_id: int, *, limit: int) -> Sequence[Evidence]:
    """The newest, in the order of the log, without the bundles."""
    wanted = select(Evidence).where(Evidence.version_id == version_id)
    found = session.scalars(
        wanted.order_by(Evidence.log_index.desc()).limit(limit).options(_LIGHT)
    ).all()
    return found[::-1]


def delivered(session: Session, variant_id: int) -> Sequence[Evidence]:
    """What goes out with the variant, in the order of the log: of each signer's test results the
    newest, and of explanations the last."""
    place = func.row_number().over(
        partition_by=(Evidence.kind, Evidence.key), order_by=Evidence.log_index.desc()
    )
    ranked = (
        select(Evidence.log_index, Evidence.kind, place.label("place"))
        .where(Evidence.variant_id == variant_id)
        .subquery()
    )
    most = case((ranked.c.kind == Kind.EXPLANATION, 1), else_=_NEWEST_RESULTS)
    is_wanted = ranked.c.kind.not_in([Kind.TEST_RESULT, Kind.EXPLANATION]) | (
        ranked.c.place <= most
    )
    wanted = select(Evidence).join(ranked, ranked.c.log_index == Evidence.log_index)
    return session.scalars(wanted.where(is_wanted).order_by(Evidence.log_index)).all()


def last(session: Session, version_id: int, kind: Kind) -> Evidence | None:
    """The newest of a kind that stands, with its bundle."""
    wanted = select(Evidence).where(
        Evidence.version_id == version_id, Evidence.kind == kind, Evidence.revoked_by.is_(None)
    )
    return session.scalars(wanted.order_by(Evidence.log_index.desc()).limit(1)).one_or_none()


def count(session: Session, variant_id: int, kind: Kind, key: str) -> int:
    """How much of a kind one key has signed about the variant."""
    wanted = select(func.count()).where(
        Evidence.variant_id == variant_id, Evidence.kind == kind, Evidence.key == key
    )
    return session.execute(wanted).scalar_one()


def of_ready(
    session: Session, model: str, column: InstrumentedAttribute[str], digests: Iterable[str]
) -> Sequence[tuple[Evidence, bytes]]:
    """Evidence about the model's ready versions by a digest, with the variant's manifest."""
    wanted = select(Evidence, Variant.manifest).where(
        column.in_(list(digests)),
        Evidence.variant_id == Variant.id,
        Variant.version_id == Version.id,
        Version.model == model,
        Version.status == READY,
    )
    return [(row, manifest) for row, manifest in session.execute(wanted)]


def strip(session: Session, version_id: int) -> int:
    """Take out what says who, why and with what; that something was there stays. How much?"""
    gone = session.execute(
        update(Evidence)
        .where(Evidence.version_id == version_id)
        .values(signer="", key="", actor="", note="", bundle=b"", manifest="", bundle_digest="")
        .returning(Evidence.log_index)
    )
    return len(gone.all())


def everything(session: Session) -> Iterator[tuple[Evidence, Version, bytes]]:
    """All rows with their versions and leaves (empty where there is none), in pages."""
    after = -1
    while True:
        session.expunge_all()
        found = session.execute(
            select(Evidence, Version, LogEntry.leaf)
            .join(Version, Version.id == Evidence.version_id)
            .outerjoin(LogEntry, LogEntry.index == Evidence.log_index)
            .where(Evidence.log_index > after)
            .order_by(Evidence.log_index)
            .limit(_TOGETHER)
        ).all()
        if not found:
            return
        for row, version, leaf in found:
            after = row.log_index
            yield row, version, leaf or b""


def unfiled(session: Session, kinds: Sequence[str]) -> Sequence[tuple[int, str | None, int | None]]:
    """(index, model, version) of entries of these kinds that no row belongs to."""
    wanted = (
        select(LogEntry.index, LogEntry.model, LogEntry.version)
        .outerjoin(Evidence, Evidence.log_index == LogEntry.index)
        .where(LogEntry.kind.in_(kinds), Evidence.log_index.is_(None))
        .order_by(LogEntry.index)
        .limit(100)
    )
    return [(index, model, version) for index, model, version in session.execute(wanted)]
