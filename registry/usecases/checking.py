"""Everything that is asked of a version before it may exist. Nothing here writes.

Whatever door a version comes in by, these are the checks it passes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from registry import errors
from registry.core import card, digest, facts, manifest, names, oms, trustchain
from registry.core.canonical import Json
from registry.core.facts import Facts
from registry.core.oms import File
from registry.core.tensors import Signature
from registry.db import blobs
from registry.db import log as log_rows
from registry.formats import declared
from registry.formats.inspection import Inspection
from registry.usecases import inspection, log, stepping, transfers
from registry.usecases.marks import Mark, Marking
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Draft:
    """What a publisher asks for.

    `version` None means the next one; `variant` empty means the one called like its format;
    `signature` is what the publisher says of inputs and outputs, for what the files do not;
    `watermark` is what they want of that, None for what the settings say.
    """

    model: str
    version: int | None
    format: str
    files: tuple[File, ...]
    publisher_bundle: dict[str, Json]
    facts: Facts = facts.NONE
    variant: str = ""
    signature: Signature | None = None
    watermark: Marking | None = None

    @property
    def variant_name(self) -> str:
        return self.variant or self.format


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft whose files are stored, signed by `publisher`, and safe to load.

    With a `mark` its files are the marked ones, and the publisher signed `mark.source`.
    """

    draft: Draft
    publisher: str
    inspected: Inspection
    # Since when the files are claimed: bytes claimed anew meanwhile may not be stored yet.
    claims: Mapping[str, datetime]
    mark: Mark | None = None


def check(registry: Registry, draft: Draft) -> Checked:
    """Raises InvalidInput, UnsafeModel or SignatureInvalid; a card's facts are taken over."""
    return check_sound(registry, require_form(registry, draft))


def check_sound(registry: Registry, sound: Draft) -> Checked:
    """The same for a draft whose form was looked at."""
    wanted = {file.digest for file in sound.files}
    with registry.database.asking() as connection:
        found, size = blobs.claims_at(connection, wanted)
        index = log_rows.require_head(connection).size if size is None else size
    claimed: Mapping[str, datetime] = found
    if wanted != claimed.keys():
        claimed = claims(registry, sound.files)
    require_stored(registry, sound)
    publisher = _publisher(registry, sound, index)
    return Checked(sound, publisher, _completed(inspected(registry, sound), sound), claimed)


def _publisher(registry: Registry, draft: Draft, index: int) -> str:
    """Whose signature it is, by those keys and certificates that count for entry `index`."""
    trust, now = registry.trust_root(), datetime.now(UTC)
    trustchain.require_current(trust, now)
    return oms.verify(
        draft.publisher_bundle,
        draft.files,
        trust.publishers_at(index),
        trust.certified(index, log.stamp(now)),
    )


def _completed(inspected: Inspection, draft: Draft) -> Inspection:
    """With what the publisher says of inputs and outputs where the files do not."""
    if draft.signature is None:
        return inspected
    return replace(inspected, signature=declared.complete(inspected.signature, draft.signature))


def require_form(registry: Registry, draft: Draft) -> Draft:
    """`draft` with what only its model card says, if all of it has the form it must have."""
    names.slug(draft.model)
    if draft.version is not None:
        names.version(draft.version)
    names.variant(draft.variant_name)
    limit = registry.settings.limits.max_files
    if not 0 < len(draft.files) <= limit:
        raise errors.InvalidInput(f"a version has 1 to {limit} files, not {len(draft.files)}")
    names.file_paths([file.path for file in draft.files])
    for file in draft.files:
        digest.parse(file.digest)
    said = facts.require_sound(card.completed(draft.facts))
    return replace(draft, facts=said)


def require_stored(registry: Registry, draft: Draft) -> None:
    """Raises InvalidInput naming the first file that is missing or of another size."""
    for file in draft.files:
        stored = registry.blobs.size(file.digest)
        if stored is None:
            raise not_stored(file)
        if stored != file.size:
            raise errors.InvalidInput(
                f"file {file.path!r}: declared with {file.size} bytes, stored are {stored}"
            )


def not_stored(file: File) -> errors.InvalidInput:
    return errors.InvalidInput(
        f"file {file.path!r}: its bytes {file.digest} have not been uploaded",
        fix="upload every file before publishing the version",
    )


def build(draft: Draft, number: int) -> manifest.Built:
    """The identity that `draft` has under this number."""
    said = draft.facts
    return manifest.build(
        model=draft.model,
        version=number,
        format=draft.format,
        files=draft.files,
        origin=manifest.Origin(said.licence, said.commit, said.repository),
    )


def claims(registry: Registry, files: Iterable[File]) -> Mapping[str, datetime]:
    """Since when the files' bytes are claimed; those that a sweep was about to take are kept."""
    wanted = {file.digest for file in files}
    with registry.database.reading() as session:
        found = blobs.claims(session, wanted)
    for lacking in wanted - found.keys():
        transfers.hold(registry, lacking)
    if wanted == found.keys():
        return found
    with registry.database.reading() as session:
        return blobs.claims(session, wanted)


def inspected(registry: Registry, draft: Draft) -> Inspection:
    """The same bytes under the same names look the same again: they are looked at once."""
    key = (draft.format, tuple(sorted((file.path, file.digest) for file in draft.files)))
    known = registry.inspections.get(key)
    if known is None:
        known = inspection.inspect(registry, draft.format, draft.files)
        known = stepping.checked(registry, draft.files, known)
        registry.inspections.put(key, known)
    return known
