"""Whose copy is this? Compares a suspect with every marked version, and signs what was found.

A detection is in the log before anybody is told its outcome, and so is one that failed: who asks
often whether a mark is still there is seen. The log gets the report's digest and what kind of
thing was found, not who was named: the log is public and for ever, and a name there is a verdict
that nobody has looked at yet.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from registry import errors
from registry.core import digest as digests
from registry.core import entries, names
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.core.oms import File
from registry.core.watermark import alignment, comparing, keys, records, report
from registry.core.watermark.comparing import Compared
from registry.core.watermark.findings import Candidate
from registry.core.watermark.report import Report, Suspect
from registry.core.watermark.scheme import OWNER
from registry.db import detections, watermarks
from registry.db.detections import Marked
from registry.db.tables_watermark import Watermark
from registry.formats import suspect
from registry.formats.suspect import Weights
from registry.trust import sign
from registry.usecases import inspection, log, watermark_keys, watermarking
from registry.usecases.access import Caller
from registry.usecases.opening import Registry

MAX_FILES = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Files that are stored; an empty `format` is found out, an empty `against` is all models."""

    files: tuple[File, ...]
    format: str
    against: str


@dataclass(frozen=True, slots=True)
class Detected:
    """The report, signed, and where the log has its digest."""

    report: Report
    bundle: dict[str, Json]
    log_index: int


def detect(registry: Registry, asked: Asked, by: Caller) -> Detected:
    """Raises UnsafeModel, TooLarge, Busy; InvalidInput without weights; all of them logged."""
    _require_form(registry, asked)
    try:
        found = _report(registry, asked)
    except errors.PlimsollError as error:
        _logged(registry, asked, by, {"outcome": error.code})
        raise
    payload = report.encode(found)
    said: dict[str, Json] = {
        "outcome": str(found.verdict.finding),
        "report": digests.of(payload),
        "comparisons": sum(len(one.scores) for one in found.candidates),
    }
    index = _logged(registry, asked, by, said)
    return Detected(found, sign.sign_statement(payload, registry.signing_key), index)


def _require_form(registry: Registry, asked: Asked) -> None:
    if not 0 < len(asked.files) <= MAX_FILES:
        raise errors.InvalidInput(
            f"a suspect of {len(asked.files)} files", fix=f"name between 1 and {MAX_FILES}"
        )
    names.file_paths([file.path for file in asked.files])
    for file in asked.files:
        if registry.blobs.size(digests.parse(file.digest)) != file.size:
            raise errors.NotFound(
                f"file {file.path!r} of {file.size} bytes ({file.digest}) is not stored here",
                fix="upload it first",
            )
    if asked.against:
        with registry.database.reading() as session:
            if not detections.marked(session, names.slug(asked.against)):
                raise errors.NotFound(
                    f"model {asked.against!r} has no marked version",
                    fix="leave --against out to compare with every model",
                )


def _report(registry: Registry, asked: Asked) -> Report:
    now = datetime.now(UTC)
    with registry.database.reading() as session:
        marked = _grouped(detections.marked(session, asked.against))
        size = log.newest(session).size
    said = inspection.suspect(registry, asked.format, asked.files)
    sizes = {file.path: file.size for file in asked.files}
    with watermarking.reading(registry, asked.files) as read:
        found = suspect.weights(*said, sizes, read)
        compared = [one for same in marked for one in _compared(registry, asked, same, found)]
    about = Suspect(found.format, asked.files, found.size, found.quantised)
    candidates = tuple(sorted(compared, key=_order))
    return Report(
        registry.settings.origin,
        log.stamp(now),
        size,
        about,
        asked.against,
        candidates,
        len(marked) - len(candidates),
    )


def _grouped(marked: Sequence[Marked]) -> list[list[Marked]]:
    """Versions of the very same files have the same marks: together they are one candidate."""
    groups: dict[tuple[str, int], list[Marked]] = {}
    for one in marked:
        groups.setdefault((one.content, one.epoch), []).append(one)
    return list(groups.values())


def _compared(
    registry: Registry, asked: Asked, same: Sequence[Marked], found: Weights
) -> Iterator[Candidate]:
    """One, or none where there is nothing to compare: other shapes, or the original is gone."""
    with registry.database.reading() as session:
        sources = [watermarks.sources(session, one.variant_id) for one in same]
        # An erased version has none; where the same files were published again, those count.
        marked, source = max(zip(same, sources, strict=True), key=lambda pair: bool(pair[1]))
        mark = watermarks.find(session, marked.variant_id)
        pulled = [detections.recipients(session, one.model, one.version) for one in same]
        hosts = dict.fromkeys(host for each in pulled for host in each)
        sent = {file.digest for file in asked.files}
        holder = detections.holder(session, [one.variant_id for one in same], sent)
        master = None if mark is None else watermark_keys.of_epoch(session, registry, mark.epoch)
    if mark is None or master is None or not _is_stored(registry, source):
        return
    weights = suspect.map_of(mark.weights_map, {file.path: file.size for file in source})
    if not alignment.is_comparable(found.tensors, tuple(weights.tensors.values())):
        return
    version_key = keys.version_key(master.secret, mark.content)
    copies = {name: version_key.copy_key(name) for name in (OWNER, *hosts)}
    with watermarking.reading(registry, source) as read:
        outcome = comparing.compare(found.found, suspect.of_map(weights, read), copies)
    if outcome.matched:
        changed = {digest for _, digest in marked.files} - {file.digest for file in source}
        identical = OWNER if changed and changed <= sent else holder
        yield _candidate(marked, mark, identical, outcome)


def _is_stored(registry: Registry, files: tuple[File, ...]) -> bool:
    return bool(files) and all(registry.blobs.size(file.digest) == file.size for file in files)


def _candidate(marked: Marked, mark: Watermark, identical: str, outcome: Compared) -> Candidate:
    return Candidate(
        model=marked.model,
        version=marked.version,
        variant=marked.variant,
        digest=marked.digest,
        commitment=mark.commitment,
        log_index=mark.log_index,
        epoch=mark.epoch,
        alpha=mark.alpha,
        weights=mark.weights,
        matched=outcome.matched,
        realigned=outcome.realigned,
        similarity=outcome.similarity,
        identical=identical,
        scores=outcome.scores,
    )


def _order(candidate: Candidate) -> tuple[float, str, int, str]:
    """The clearest first."""
    best = max((score.u for score in candidate.scores), default=-math.inf)
    return -best, candidate.model, candidate.version, candidate.variant


def _logged(registry: Registry, asked: Asked, by: Caller, said: dict[str, Json]) -> int:
    now = datetime.now(UTC)
    entry = entries.Entry(
        time=log.stamp(now),
        kind=Kind.WATERMARK_DETECTED,
        actor=by.actor,
        model=asked.against,
        detail={"suspect": records.content_digest(asked.files), **said},
    )
    with registry.database.writing() as session:
        index = log.append(session, registry, entry, now=now)
        session.commit()
    return index
