"""Puts the owner's mark into a checked model's files, before the version they become has a number.

The mark is a function of the original's content and of a master key: the same files get the same
marked files, whoever publishes them, however often, and from whichever process. What is stored
here before the publication are blobs that nobody refers to, so a crash leaves nothing but those.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from registry import errors
from registry.core import canonical
from registry.core.oms import File
from registry.core.watermark import keys, records, scheme
from registry.core.watermark.embedding import Marker
from registry.core.watermark.scheme import OWNER, Strength, TooSmall
from registry.db import versions, watermarks
from registry.db.tables_watermark import Watermark
from registry.formats import marking
from registry.formats.marking import Marked, Read
from registry.formats.weights import WeightMap
from registry.trust.watermark_keys import Master
from registry.usecases import checking, inspection, transfers, trying, watermark_keys
from registry.usecases.checking import Checked, Draft
from registry.usecases.marks import Mark, Marking
from registry.usecases.opening import Registry


def marked(registry: Registry, checked: Checked) -> Checked:
    """`checked` with marked files, where that is wanted and they can carry a mark; else itself.

    Raises CannotMark where the draft asks for a mark that they cannot carry.
    """
    draft = checked.draft
    if not _is_wanted(registry, draft):
        return checked
    master = watermark_keys.current(registry)
    content = records.content_digest(draft.files)
    made = _made_before(registry, content, master, draft)
    if made is None:
        weights = inspection.weights(registry, draft.format, draft.files)
        found = scheme.strength(weights.weights)
        if isinstance(found, TooSmall):
            return _unmarked(checked, weights, found)
        made = _made(registry, checked, content, master, weights, found)
    files, mark = made
    return _rechecked(registry, checked, files, mark)


def _is_wanted(registry: Registry, draft: Draft) -> bool:
    return (draft.watermark or Marking(registry.settings.watermark.publish)) is Marking.ON


def _unmarked(checked: Checked, weights: WeightMap, why: TooSmall) -> Checked:
    """No mark rather than one that nobody would find again."""
    if checked.draft.watermark is Marking.ON:
        raise errors.CannotMark(
            f"{checked.draft.model}: {weights.weights} weights are too few for a watermark that "
            f"would be found again (z {why.predicted_z:.1f}, at least 8 is needed)",
            fix="publish it without --watermark; nothing is claimed of it then",
        )
    return checked


def _made_before(
    registry: Registry, content: str, master: Master, draft: Draft
) -> tuple[tuple[File, ...], Mark] | None:
    """What these very files became when they were marked before, if that is still here."""
    with registry.database.reading() as session:
        row = watermarks.made_from(session, content, draft.format, epoch=master.epoch)
        if row is None:
            return None
        listed = versions.files(session, row.variant_id)
    files = tuple(File(file.path, file.digest, file.size) for file in listed)
    if any(registry.blobs.size(file.digest) != file.size for file in files):
        return None
    return files, _of_row(row, draft.files)


def _of_row(row: Watermark, source: tuple[File, ...]) -> Mark:
    return Mark(
        source=source,
        content=row.content,
        epoch=row.epoch,
        scheme=row.scheme,
        alpha=row.alpha,
        weights=row.weights,
        predicted_z=row.predicted_z,
        commitment=row.commitment,
        weights_map=row.weights_map,
        trial=row.trial,
    )


def _made(
    registry: Registry,
    checked: Checked,
    content: str,
    master: Master,
    weights: WeightMap,
    strength: Strength,
) -> tuple[tuple[File, ...], Mark]:
    draft = checked.draft
    key = keys.version_key(master.secret, content)
    marker = Marker(key.copy_key(OWNER), strength.alpha)
    sizes = {file.path: file.size for file in draft.files}
    with reading(registry, draft.files) as read:
        marking.require_sums(weights, read)
        sealed = marking.seal(weights, marker, read, sizes)
        whole = Marked(weights, marker, read, patches=sealed.patches)
        for path, digest in sealed.digests.items():
            _store(registry, whole, path, File(path, digest, sizes[path]))
    files = tuple(
        replace(file, digest=sealed.digests.get(file.path, file.digest)) for file in draft.files
    )
    trial = trying.compare(registry, draft.format, draft.files, files)
    mark = Mark(
        source=draft.files,
        content=content,
        epoch=master.epoch,
        scheme=scheme.SCHEME,
        alpha=strength.alpha,
        weights=weights.weights,
        predicted_z=round(strength.predicted_z, 2),
        commitment=keys.commitment(key, content),
        weights_map=canonical.encode(weights.document()),
        trial=trial,
    )
    return files, mark


def _store(registry: Registry, whole: Marked, path: str, file: File) -> None:
    """Made once more as it goes into the store, which proves the digest on the way."""
    if registry.blobs.size(file.digest) is not None and transfers.hold(registry, file.digest):
        return

    async def blocks() -> AsyncIterator[bytes]:
        for block in whole.stream(path, 0, file.size):
            yield bytes(block)

    asyncio.run(transfers.take(registry, blocks(), file.digest, size=file.size))


def _rechecked(
    registry: Registry, checked: Checked, files: tuple[File, ...], mark: Mark
) -> Checked:
    """What is published passes the same inspection as what came, and takes and gives the same."""
    draft = replace(checked.draft, files=files)
    claimed = checking.claims(registry, (*files, *mark.source))
    checking.require_stored(registry, draft)
    found = checking.inspected(registry, draft)
    before = checking.inspected(registry, checked.draft)
    if found.signature != before.signature:
        raise errors.CannotMark(
            f"{draft.model}: with a watermark it takes or gives other tensors than without",
            fix="publish it without a watermark, and report this with the model",
        )
    return replace(
        checked,
        draft=draft,
        inspected=replace(found, signature=checked.inspected.signature),
        claims=claimed,
        mark=mark,
    )


@contextmanager
def reading(registry: Registry, files: tuple[File, ...]) -> Iterator[Read]:
    """Any range of these files, as long as the block lasts; from any number of threads.

    What is no plain file in the store is copied to one for as long.
    """
    by_path, opened = {file.path: file for file in files}, dict[str, int]()
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="inspect-", dir=registry.settings.data_dir)
        )

        def descriptor(path: str) -> int:
            digest = by_path[path].digest
            found = registry.blobs.open(digest)
            if found is None:
                place = registry.blobs.local(digest, Path(folder))
                found = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, found)
            return opened.setdefault(path, found)

        def read(path: str, start: int, stop: int) -> bytes:
            known = opened.get(path)
            return _span(descriptor(path) if known is None else known, start, stop)

        yield read


def _span(file: int, start: int, stop: int) -> bytes:
    """One call gives two GiB at most, and may give less."""
    pieces = []
    while start < stop:
        piece = os.pread(file, stop - start, start)
        if not piece:
            break
        pieces.append(piece)
        start += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
