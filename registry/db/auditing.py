"""What a check of the whole registry reads: every leaf, every variant, in pages, once each."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.core.entries import Kind
from registry.core.evidence import Kind as Statement
from registry.core.oms import File as ModelFile
from registry.db.tables import File, Variant, Version
from registry.db.tables_evidence import Evidence
from registry.db.tables_log import LogEntry
from registry.db.tables_watermark import Watermark

_TOGETHER = 200
_LEAVES = 1000


@dataclass(frozen=True, slots=True)
class Filed:
    """A variant, what it is a variant of, its entry in the log, and the files it refers to.

    `derivation` is the registry's bundle where the files are marked; empty without one.
    """

    version: Version
    variant: Variant
    leaf: bytes
    files: tuple[ModelFile, ...]
    derivation: bytes = b""


def leaves(session: Session, size: int) -> Iterator[Sequence[LogEntry]]:
    """The log's rows by their index, in pages."""
    for start in range(0, size, _LEAVES):
        session.expunge_all()
        yield session.scalars(
            select(LogEntry)
            .where(LogEntry.index >= start, LogEntry.index < min(size, start + _LEAVES))
            .order_by(LogEntry.index)
        ).all()


def beyond(session: Session, size: int) -> int | None:
    """A row of the log after its end, if there is one."""
    statement = select(LogEntry.index).where(LogEntry.index >= size).limit(1)
    return session.scalars(statement).first()


def variants(session: Session) -> Iterator[Filed]:
    """Every variant there is, in the order of their making."""
    after = 0
    while True:
        session.expunge_all()
        page = session.execute(
            select(Variant, Version, LogEntry.leaf)
            .join(Version, Version.id == Variant.version_id)
            .outerjoin(LogEntry, LogEntry.index == Variant.log_index)
            .where(Variant.id > after)
            .order_by(Variant.id)
            .limit(_TOGETHER)
        ).all()
        if not page:
            return
        files: dict[int, list[ModelFile]] = {}
        ids = [variant.id for variant, _, _ in page]
        for row in session.scalars(select(File).where(File.variant_id.in_(ids))):
            files.setdefault(row.variant_id, []).append(ModelFile(row.path, row.digest, row.size))
        marks = dict(_derivations(session, ids))
        for variant, version, leaf in page:
            listed = tuple(files.get(variant.id, ()))
            yield Filed(version, variant, leaf or b"", listed, marks.get(variant.id, b""))
        after = ids[-1]


def _derivations(session: Session, variant_ids: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    statement = select(Watermark.variant_id, Watermark.bundle).where(
        Watermark.variant_id.in_(variant_ids)
    )
    return ((variant, bundle) for variant, bundle in session.execute(statement))


def unfiled(session: Session) -> Sequence[tuple[int, str | None, int | None]]:
    """(index, model, version) of publications that no variant belongs to."""
    rows = session.execute(
        select(LogEntry.index, LogEntry.model, LogEntry.version)
        .outerjoin(Variant, Variant.log_index == LogEntry.index)
        .where(LogEntry.kind == Kind.PUBLISHED, Variant.id.is_(None))
        .order_by(LogEntry.index)
        .limit(100)
    )
    return [(index, model, version) for index, model, version in rows]


def kinds_about(session: Session, model: str, version: int, kinds: Sequence[Kind]) -> set[str]:
    """Which of these kinds of entries there are on a version; version 0 means on its model."""
    about = LogEntry.version == version if version else LogEntry.version.is_(None)
    statement = select(LogEntry.kind).where(
        LogEntry.model == model, about, LogEntry.kind.in_(kinds)
    )
    return set(session.scalars(statement.distinct()))


def owners(session: Session, digest: str) -> list[str]:
    """Which files of which versions consist of these bytes."""
    rows = session.execute(
        select(Version.model, Version.version, File.path)
        .join(Variant, Variant.version_id == Version.id)
        .join(File, File.variant_id == Variant.id)
        .where(File.digest == digest)
        .order_by(Version.model, Version.version, File.path)
        .limit(20)
    )
    return [f"{model}@{version} {path}" for model, version, path in rows]


def documents(session: Session, *, start: int, stop: int) -> Iterator[tuple[int, dict[str, bytes]]]:
    """What proves each publication and each piece of evidence from `start` up to `stop`.

    In the order of the log, by role; empty where it was erased.
    """
    yield from heapq.merge(
        _publications(session, start, stop),
        _statements(session, start, stop),
        key=lambda pair: pair[0],
    )


def _publications(
    session: Session, start: int, stop: int
) -> Iterator[tuple[int, dict[str, bytes]]]:
    rows = session.execute(
        select(
            Variant.log_index,
            Variant.config,
            Variant.manifest,
            Variant.publisher_bundle,
            Variant.registry_bundle,
            Watermark.bundle,
        )
        .outerjoin(Watermark, Watermark.variant_id == Variant.id)
        .where(Variant.log_index >= start, Variant.log_index < stop)
        .order_by(Variant.log_index)
        .execution_options(yield_per=50)
    )
    for index, config, manifest, publisher, registry, derivation in rows:
        found = {
            "config": config,
            "manifest": manifest,
            "publisher": publisher,
            "registry": registry,
        }
        yield index, {**found, **({"derivation": derivation} if derivation else {})}


def _statements(session: Session, start: int, stop: int) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Whoever signs a version once more signs its files, which its manifest lists.

    Of marked ones, those that they were made from.
    """
    rows = session.execute(
        select(
            Evidence.log_index, Evidence.kind, Evidence.bundle, Variant.manifest, Watermark.bundle
        )
        .join(Variant, Variant.id == Evidence.variant_id)
        .outerjoin(Watermark, Watermark.variant_id == Variant.id)
        .where(Evidence.log_index >= start, Evidence.log_index < stop)
        .order_by(Evidence.log_index)
        .execution_options(yield_per=50)
    )
    for index, kind, bundle, manifest, derivation in rows:
        files = {"manifest": manifest} if kind == Statement.SIGNATURE else {}
        if files and derivation:
            files["derivation"] = derivation
        yield index, {"evidence": bundle, **files}
