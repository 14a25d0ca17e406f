"""Detection with an auditor's key: no registry is asked, and none has to be believed.

The suspect is parsed in a sandboxed child here, as the registry does it. Without the publisher's
original only weights of the same names and shapes can be compared, blind.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from registry import errors
from registry.cli import options, progress, statements, uploading
from registry.core import canonical
from registry.core.oms import File
from registry.core.watermark import alignment, comparing, disclosure
from registry.core.watermark.comparing import Compared
from registry.core.watermark.disclosure import Disclosure
from registry.core.watermark.findings import Candidate
from registry.core.watermark.report import Report, Suspect
from registry.core.watermark.scheme import OWNER
from registry.formats import inspection, suspect
from registry.formats.inspection import Inspector, Limits
from registry.formats.model import Opened
from registry.formats.suspect import Weights


def detect(
    path: Path, key: Path, original: Path | None, declared: str | None, trust: Path | None
) -> Report:
    """What the key's recipient, and the owner, score; signed by nobody."""
    given = _disclosure(key, trust)
    places = uploading.collect(path)
    with closing(Inspector()) as inspector, _opened(places) as (sizes, files):
        found = _weights(inspector, sizes, files, declared)
        keys = dict.fromkeys(dict.fromkeys((OWNER, given.recipient)), given.key)
        if original is None:
            outcome = comparing.compare_blind(found.found, given.tensors, keys)
        else:
            outcome = _informed(inspector, original, given, found)
    listed = _hashed(places)
    about = Suspect(found.format, listed, found.size, found.quantised)
    candidates = (_candidate(given, outcome),) if outcome.matched else ()
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Report("", at, 0, about, given.model, candidates, 1 - len(candidates))


def _disclosure(key: Path, trust: Path | None) -> Disclosure:
    bundle = canonical.decode_object(statements.read(key), what=str(key))
    root = options.trust_root(trust)
    return disclosure.verify(bundle, root.registry, *root.former)


def _informed(inspector: Inspector, path: Path, given: Disclosure, found: Weights) -> Compared:
    places = uploading.collect(path)
    ours = {file.path: file.digest for file in _hashed(places)}
    for file in given.source:
        if ours.get(file.path) != file.digest:
            raise errors.DigestMismatch(
                f"{path}: file {file.path!r} is not the original that the key is for",
                fix="name the folder as its publisher pushed it: files with the digests that are "
                "in the key",
            )
    with _opened(places) as (sizes, files):
        weights = inspector.weights(sizes, files.fetch, None, Limits())
        keys = dict.fromkeys(dict.fromkeys((OWNER, given.recipient)), given.key)
        original = suspect.of_map(weights, files.read)
        return comparing.compare(found.found, original, keys)


def _weights(
    inspector: Inspector, sizes: Mapping[str, int], files: "_Files", declared: str | None
) -> Weights:
    found, said = inspector.suspect(sizes, files.fetch, declared, Limits())
    return suspect.weights(found, said, sizes, files.read)


def _candidate(given: Disclosure, outcome: Compared) -> Candidate:
    return Candidate(
        model=given.model,
        version=given.version,
        variant=given.variant,
        digest=given.digest,
        commitment=given.commitment,
        log_index=given.log_index,
        epoch=given.epoch,
        alpha=given.alpha,
        weights=alignment.count(given.tensors),
        matched=outcome.matched,
        realigned=outcome.realigned,
        similarity=outcome.similarity,
        identical="",
        scores=outcome.scores,
    )


def _hashed(places: Mapping[str, Path]) -> tuple[File, ...]:
    total = sum(place.stat().st_size for place in places.values())
    with progress.of_bytes("hashing", total) as advance:
        return uploading.hash_files(dict(places), advance)


class _Files:
    """Plain files, read anywhere."""

    def __init__(self, opened: Mapping[str, Opened]) -> None:
        self._opened = opened

    def read(self, path: str, start: int, stop: int) -> bytes:
        return self._opened[path].read(start, stop - start)

    def fetch(self, path: str, _count: int | None) -> int:
        return os.dup(self._opened[path].descriptor)


@contextmanager
def _opened(places: Mapping[str, Path]) -> Iterator[tuple[dict[str, int], _Files]]:
    with ExitStack() as stack:
        opened = {}
        for path, local in places.items():
            descriptor = inspection.open_plain(path, local)
            stack.callback(os.close, descriptor)
            opened[path] = Opened(path, os.fstat(descriptor).st_size, descriptor)
        yield {path: one.size for path, one in opened.items()}, _Files(opened)
