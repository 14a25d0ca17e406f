"""A file of a host's own copy: bytes of the original, marked while they are read, and kept nowhere.

Any range gives the same bytes each time, whatever replica makes them, so a download goes on where
it broke off. What a copy is made with, its recipe, is the publisher's original, the places of its
weights, and the host's own chips.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.core.identity import Caller
from registry.core.oms import File
from registry.core.watermark import keys
from registry.core.watermark.embedding import Marker
from registry.db import host_copies, watermarks
from registry.db.engine import Session
from registry.db.tables_watermark import Watermark
from registry.formats import weights
from registry.formats.marking import Marked, Patch
from registry.formats.weights import WeightMap
from registry.store.blobs import BlobStore
from registry.usecases import originals, watermark_keys
from registry.usecases.encrypted_delivery import Clear
from registry.usecases.opening import Registry
from registry.usecases.originals import Piece

_WHAT = "patches of a copy"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes a host's copy of a variant: `sources` are the original's files."""

    weights: WeightMap
    marker: Marker
    sources: Sequence[File]

    def digests(self) -> dict[str, str]:
        """The blobs of the original, by their paths."""
        return {file.path: file.digest for file in self.sources}


def recipe(registry: Registry, session: Session, mark: Watermark, host: str) -> Recipe:
    """Raises IntegrityError where the key is gone, InvalidInput where the stored map is none."""
    known: Recipe | None = registry.workshop.recipes.get((mark.variant_id, host))
    if known is not None:
        return known
    sources = watermarks.sources(session, mark.variant_id)
    document = canonical.decode_object(mark.weights_map, what="stored weight map")
    found = weights.weight_map(document, {file.path: file.size for file in sources})
    master = watermark_keys.of_epoch(session, registry, mark.epoch)
    key = keys.version_key(master.secret, mark.content).copy_key(host)
    made = Recipe(found, Marker(key, mark.alpha), sources)
    registry.workshop.recipes.put((mark.variant_id, host), made)
    return made


def own(registry: Registry, by: Caller, digest: str) -> Clear | None:
    """The file of this digest, if it is of a copy of this host's; None for a stored blob it gets.

    Raises NotFound, and Forbidden for a revoked host. Where hosts have copies of their own, they
    get of what is stored only files of versions, and not those that bear the owner's mark alone.
    """
    is_stored = registry.blobs.size(digest) is not None
    if is_stored and registry.settings.watermark.copies == "off":
        return None
    with registry.database.reading() as session:
        row = host_copies.file(session, digest, by.name)
        mark = None if row is None else watermarks.find(session, row.variant_id)
        if row is not None and mark is not None:
            made_by = recipe(registry, session, mark, by.name)
            patches = _patches(row.path, row.patches)
            original = File(row.path, row.source, row.size)
            read = partial(_read, registry.blobs, made_by, original, patches)
            return Clear(digest, row.size, read)
        _require_given(session, by, digest)
    return None


def _require_given(session: Session, by: Caller, digest: str) -> None:
    if host_copies.is_marked(session, digest):
        raise errors.Forbidden(
            f"host {by.name} gets {digest} only as a copy of its own",
            fix="ask for the version's bundle: it names the files that were made for this host",
        )
    if not host_copies.is_given(session, digest):
        raise errors.NotFound(f"no blob {digest}", fix="take the digests of the version's bundle")


def patches_document(patches: Iterable[Patch]) -> bytes:
    """As `find` reads them back, those of one file."""
    listed: list[Json] = [[one.offset, fields.base64_text(one.value)] for one in patches]
    return canonical.encode({"patches": listed})


def _read(
    blobs: BlobStore, made_by: Recipe, file: File, patches: Sequence[Patch], start: int, stop: int
) -> AsyncIterator[memoryview]:
    marked = partial(_marked, made_by, file.path, patches)
    return originals.worked(blobs, file.digest, (start, stop), marked)


def _marked(made_by: Recipe, path: str, patches: Sequence[Patch], piece: Piece) -> memoryview:
    def read(_path: str, start: int, stop: int) -> bytes:
        return piece.read(start, stop)

    marked = Marked(made_by.weights, made_by.marker, read, patches=patches)
    return next(marked.stream(path, piece.start, piece.stop))


def _patches(path: str, document: bytes) -> list[Patch]:
    found = canonical.decode_object(document, what=_WHAT)
    return [_patch(path, item) for item in fields.sequence(found, "patches", what=_WHAT)]


def _patch(path: str, item: Json) -> Patch:
    match item:
        case [int(offset), str(value)]:
            return Patch(path, offset, fields.unbase64(value, what=_WHAT))
        case _:
            raise errors.IntegrityError(f"{_WHAT}: one of {path} is none")
