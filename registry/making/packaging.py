"""Composes runnable images: a runtime's base layers, one layer with the model, one with its proofs.

Two documents are written for each platform, and the model's files are hashed once, as the tar
that they are sent as later. Nothing is built, unpacked, copied or run, and no engine is asked.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from registry import errors
from registry.core import canonical, envelope, image, layer, oci
from registry.core import digest as digests
from registry.core.canonical import Json
from registry.core.entries import Entry, Kind
from registry.core.envelope import Refused, Wanted
from registry.core.identity import Caller, Role
from registry.core.image import Base, Image, Said
from registry.core.layer import Segment
from registry.core.oci import Descriptor
from registry.core.oms import File
from registry.db import images as rows
from registry.db import log as log_rows
from registry.db import tables
from registry.db.engine import Session
from registry.db.tables_oci import Manifest
from registry.making import attesting, stored
from registry.making.attesting import Made
from registry.usecases import log, oci_blobs, pull, scoping, transfers
from registry.usecases import oci as repositories
from registry.usecases.opening import Registry
from registry.usecases.pull import Asked

_LISTS = frozenset({oci.INDEX, oci.DOCKER_LIST})
# It asks for itself: nobody pulls anything.
_ITSELF = Caller(Role.ADMIN, "registry")
_PROOFS = "the proofs of the version, and what the runtime is told"


@dataclass(frozen=True, slots=True)
class Packaged:
    """What the version's tag stands for now; `is_new` where it stood for something else before.

    `hashed` bytes were read to compose it: those of the model, once for all its images.
    """

    digest: str
    images: tuple[Image, ...]
    layer: Descriptor
    hashed: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Draft:
    """A variant, and the documents that make it an image."""

    asked: Asked
    variant: tables.Variant
    said: Said
    bases: tuple[Base, ...]
    model: Descriptor
    proofs: bytes
    hashed: int


def package(registry: Registry, asked: Asked, base: str, by: Caller) -> Packaged:
    """Compose the image of a version on `base`, REPOSITORY@DIGEST or REPOSITORY:TAG in here.

    The same version, base and trust root give the same image. Raises NotFound, Gone, Unsupported;
    what no host would load is not packaged: IntegrityError, Quarantined.
    """
    draft = _draft(registry, asked, base, by)
    layers = [
        (f"the files of {asked.model} {asked.version}", draft.model),
        (_PROOFS, _described(draft.proofs)),
    ]
    images = tuple(image.compose(one, layers, draft.said) for one in draft.bases)
    index = image.index(images, draft.variant.manifest, draft.said)
    if _is_shown(registry, draft, index):
        return Packaged(digests.of(index), images, draft.model, draft.hashed, is_new=False)
    made = Made(draft.said, draft.bases, images, index, draft.variant)
    attested = attesting.referrers(registry, made)
    documents = [draft.proofs, *(one.config for one in images), *attested.blobs]
    _keep(registry, asked.model, draft, documents)
    manifests = [*(one.manifest for one in images), index, *attested.manifests]
    is_new = _show(registry, draft, index, manifests, by)
    return Packaged(digests.of(index), images, draft.model, draft.hashed, is_new)


def _draft(registry: Registry, asked: Asked, base: str, by: Caller) -> _Draft:
    with registry.database.reading() as session:
        found = pull.chosen(session, asked)
        files = tuple(File(file.path, file.digest, file.size) for file in found.files)
        proven = pull.as_published(registry, session, asked, found)
        known = rows.layer(session, found.id)
    _require_sound(registry, Asked(asked.model, asked.version, digest=found.digest))
    if found.format == "ensemble":
        raise errors.Unsupported(
            f"{asked.model} version {asked.version} is an ensemble: its steps are other versions",
            fix="package each of its steps by itself",
        )
    said = Said(
        asked.model, asked.version, asked.variant, found.digest, found.format,
        log.stamp(found.created_at),
    )  # fmt: skip
    segments = layer.of_files(files, image.FILES)
    size = layer.size(segments)
    digest = _hash(registry, segments) if known is None else known.digest
    proofs = layer.of_documents(
        {
            f"{image.FOLDER}/{image.ENVELOPE}": proven,
            f"{image.FOLDER}/{image.TRUST}": canonical.encode(registry.trust_document()),
            f"{image.FOLDER}/{image.SETTINGS}": image.settings(said),
        }
    )
    model = Descriptor(layer.MEDIA_TYPE, digest, size)
    hashed = 0 if known is not None else size
    return _Draft(asked, found, said, bases(registry, base, by), model, proofs, hashed)


def bases(registry: Registry, reference: str, by: Caller) -> tuple[Base, ...]:
    """The runtime's image for each platform that it was pushed for."""
    repository, at, name = reference.partition("@")
    if not at:
        repository, _, name = reference.rpartition(":")
    scoping.require(registry, by, repository)
    found = repositories.manifest(registry, repository, name)
    if found.media_type not in _LISTS:
        return (_base(registry, repository, found.content),)
    listed = canonical.decode_object(found.content, what="base image").get("manifests")
    chosen = [
        str(one["digest"])
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict) and _is_run(one)
    ]
    if not chosen:
        raise errors.Unsupported(f"{reference[:200]} lists no image that a machine could run")
    contents = [repositories.manifest(registry, repository, one).content for one in chosen]
    return tuple(_base(registry, repository, content) for content in contents)


def _is_run(item: dict[str, Json]) -> bool:
    """Not so an attestation, which stands in an index as of an unknown platform."""
    platform = item.get("platform")
    return isinstance(platform, dict) and platform.get("os") != "unknown"


def _base(registry: Registry, repository: str, content: bytes) -> Base:
    config = image.config_of(content)
    if config.size > oci.MANIFEST_LIMIT:
        raise errors.TooLarge(f"the base image's config has {config.size} bytes")
    read = stored.document(registry.blobs, config.digest, config.size)
    if digests.of(read) != config.digest:
        raise errors.IntegrityError(f"the stored config {config.digest} has changed")
    return Base(repository, content, read)


def _require_sound(registry: Registry, asked: Asked) -> None:
    """As a host would check it: what none would load is not put into an image either."""
    wanted = Wanted(asked.model, asked.version, asked.digest)
    document = pull.bundle(registry, asked, _ITSELF)
    match envelope.verify(document, registry.trust_root(), wanted):
        case Refused(errors.Quarantined.code, reason):
            raise errors.Quarantined(
                f"{asked.model}@{asked.version} is {reason}", fix="package another version"
            )
        case Refused(code, reason):
            raise errors.IntegrityError(
                f"{asked.model}@{asked.version} is refused ({code}): {reason}",
                fix="see 'plimsoll admin verify'",
            )


def _hash(registry: Registry, segments: tuple[Segment, ...]) -> str:
    total = hashlib.sha256()
    for segment in segments:
        if isinstance(segment, bytes):
            total.update(segment)
            continue
        for block in stored.blocks(registry.blobs, segment):
            total.update(block)
    return f"sha256:{total.hexdigest()}"


def _keep(registry: Registry, model: str, draft: _Draft, documents: list[bytes]) -> None:
    """Small blobs are stored, large ones are there: they are read in the model's repository now."""
    transfers.put_all(registry, [(digests.of(one), one) for one in documents])
    held = {digests.of(one) for one in documents}
    for base in draft.bases:
        held |= {one.digest for one in oci.parse(base.manifest, "").blobs}
    for digest in sorted(held):
        if not (transfers.hold(registry, digest) and oci_blobs.link(registry, model, digest)):
            raise errors.MissingContent(
                f"{digest} of the base image is not here any more", fix="push the base again"
            )


def _is_shown(registry: Registry, draft: _Draft, index: bytes) -> bool:
    with registry.database.reading() as session:
        return rows.shown(session, draft.variant.id) == digests.of(index)


def _show(
    registry: Registry, draft: _Draft, index: bytes, manifests: list[bytes], by: Caller
) -> bool:
    """One transaction: the tag stands for an image that is whole, or for what it stood for. False
    where another process made the same meanwhile: its signatures stand."""
    now, variant = datetime.now(UTC), draft.variant
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        pull.ready(session, draft.asked.model, draft.asked.version)
        if rows.shown(session, variant.id) == digests.of(index):
            return False
        rows.keep_layer(session, variant.id, draft.model.digest, draft.model.size)
        for content in manifests:
            _add(session, draft, content, by, now)
        if rows.show(session, variant.id, draft.asked.model, digests.of(index)):
            log.append(session, registry, _entry(draft, index, by, now), now=now)
        session.commit()
    return True


def _add(session: Session, draft: _Draft, content: bytes, by: Caller, now: datetime) -> None:
    said = oci.parse(content, "")
    row = Manifest(
        repository=draft.asked.model,
        digest=digests.of(content),
        media_type=said.media_type,
        artifact_type=said.artifact_type,
        annotations=said.annotations,
        subject=said.subject or None,
        content=content,
        size=len(content),
        actor=by.actor,
        created_at=now,
    )
    rows.add(session, row, said.without(draft.model.digest), draft.variant.id, now=now)


def _entry(draft: _Draft, index: bytes, by: Caller, now: datetime) -> Entry:
    detail: dict[str, Json] = {
        "image": digests.of(index),
        "base": [f"{one.repository}@{one.digest}" for one in draft.bases],
    }
    return Entry(
        time=log.stamp(now),
        kind=Kind.PACKAGED,
        actor=by.actor,
        model=draft.asked.model,
        version=draft.asked.version,
        digest=draft.variant.digest,
        detail=detail,
    )


def _described(content: bytes) -> Descriptor:
    return Descriptor(layer.MEDIA_TYPE, digests.of(content), len(content))
