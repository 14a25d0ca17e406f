"""Reads what an OCI repository shows: what was pushed there, and a model's versions.

In a model's repository its versions come first: nothing that was pushed stands in their place.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from registry import errors
from registry.core import digest as digests
from registry.core import oci, oci_documents
from registry.core.canonical import Json
from registry.core.oci import Descriptor
from registry.core.scope import EVERYTHING, Scope
from registry.db import evidence as evidence_rows
from registry.db import images as image_rows
from registry.db import oci as rows
from registry.db import oci_models
from registry.db.engine import Session
from registry.db.tables import Variant
from registry.usecases import images, pull
from registry.usecases.access import Caller, Role
from registry.usecases.images import Layer
from registry.usecases.opening import Registry
from registry.usecases.pull import Asked

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """A manifest; `version` is the model's, where it is one of its versions, or an image of one.

    `of` is then that version's own digest.
    """

    content: bytes
    media_type: str
    digest: str
    version: int = 0
    of: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a list; `last` leads to the next page, and is empty where there is none."""

    items: tuple[str, ...]
    last: str


@dataclass(frozen=True, slots=True)
class Referrers:
    """Descriptors of what is about a manifest, and how to ask for those after them."""

    items: tuple[dict[str, Json], ...]
    last: str

    def index(self) -> bytes:
        """The image index that lists them."""
        return oci_documents.index(self.items)


def manifest(registry: Registry, repository: str, reference: str, *, is_run: bool = False) -> Found:
    """By tag or digest; raises NotFound. Who `is_run` holds for takes an index of images, and by
    a version's tag gets the one that was composed of it."""
    oci.repository(repository)
    with registry.database.reading() as session:
        if oci.is_digest(reference):
            found = _manifest(session, repository, oci.digest_of(reference))
        else:
            digest = _digest_of_tag(session, repository, oci.tag(reference))
            digest = (_composed(session, repository, digest) if is_run else None) or digest
            found = _manifest(session, repository, digest) if digest else None
    if found is None:
        raise errors.NotFound(
            f"{repository} has no manifest {reference[:140]}",
            fix="see its tags/list for what it has",
        )
    return found


def pulled(registry: Registry, repository: str, found: Found, by: Caller) -> None:
    """Log that a host takes a version, before it gets it; other pulls are not logged."""
    if by.role is Role.HOST and found.version:
        pull.record(registry, Asked(repository, found.version, digest=found.of), by)


def blob(registry: Registry, repository: str, digest: str) -> bytes | Layer | None:
    """A small blob's bytes, or what a layer is put together of; None where the store has it.

    Raises NotFound.
    """
    oci.repository(repository)
    oci.digest_of(digest)
    with registry.database.reading() as session:
        if is_readable(session, repository, digest):
            return None
        document = oci_models.document(session, repository, digest)
        found = document or images.layer_of(session, repository, digest)
    if found is None:
        raise errors.NotFound(
            f"{repository} has no blob {digest}", fix="push it there, or mount it from elsewhere"
        )
    return found


def is_readable(session: Session, repository: str, digest: str) -> bool:
    """Whether the blob, which the store has, was pushed there or is a file of a version."""
    one = [digest]
    return bool(rows.linked(session, repository, one) or oci_models.files(session, repository, one))


def tags(registry: Registry, repository: str, *, limit: int, after: str) -> Page:
    """In the order of their bytes; raises NotFound for a repository that is not there."""
    oci.repository(repository)
    if after:
        oci.tag(after)
    with registry.database.reading() as session:
        is_model = oci_models.is_model(session, repository)
        if not is_model and not rows.has_repository(session, repository):
            raise errors.NotFound(
                f"no repository {repository}", fix="see GET /v2/_catalog for those there are"
            )
        pushed = rows.tags(session, repository, after=after, limit=limit + 1)
        shown = _tags_of_model(session, repository) if is_model else set[str]()
    return _page([pushed, sorted(tag for tag in shown if tag > after)], limit)


def catalogue(registry: Registry, *, limit: int, after: str, scope: Scope = EVERYTHING) -> Page:
    """The names of all repositories that `scope` covers, in the order of their bytes."""
    if after:
        oci.repository(after)
    with registry.database.reading() as session:
        pushed = rows.repositories(session, after=after, limit=limit + 1, scope=scope)
        models = oci_models.models(session, after=after, limit=limit + 1, scope=scope)
    return _page([pushed, models], limit)


def referrers(
    registry: Registry, repository: str, subject: str, *, artifact_type: str, after: str
) -> Referrers:
    """What is about the manifest, of one type or any: its version's signatures come first."""
    oci.repository(repository)
    oci.digest_of(subject)
    if after:
        oci.digest_of(after)
    with registry.database.reading() as session:
        found = rows.referrers(session, repository, subject, after=after, limit=PAGE + 1)
        signed = oci_models.variant(session, repository, subject) if not after else None
        items = _evidence(session, signed[0]) if signed else []
    for row in found[:PAGE]:
        one = Descriptor(row.media_type, row.digest, row.size)
        items.append(oci_documents.listed(one, row.artifact_type, row.annotations))
    wanted = [one for one in items if artifact_type in ("", one.get("artifactType"))]
    return Referrers(tuple(wanted), found[PAGE - 1].digest if len(found) > PAGE else "")


def _digest_of_tag(session: Session, repository: str, tag: str) -> str | None:
    version = oci.version_of(tag)
    digest = oci_models.digest_of(session, repository, *version) if version else None
    digest = digest or oci_models.digest_of_alias(session, repository, tag)
    if digest is None:
        pushed = rows.tag(session, repository, tag)
        digest = pushed.digest if pushed else None
    return digest


def _composed(session: Session, repository: str, digest: str | None) -> str | None:
    ours = oci_models.variant(session, repository, digest) if digest else None
    return image_rows.shown(session, ours[0].id) if ours else None


def _manifest(session: Session, repository: str, digest: str) -> Found | None:
    ours = oci_models.variant(session, repository, digest)
    if ours is not None:
        variant, number = ours
        return Found(variant.manifest, oci.IMAGE, digest, number, digest)
    pushed = rows.manifest(session, repository, digest)
    if pushed is not None:
        is_image = pushed.media_type == oci.IMAGE and pushed.subject is None
        composed = image_rows.composed_of(session, repository, digest) if is_image else None
        return Found(pushed.content, pushed.media_type, digest, *(composed or ()))
    evidence = oci_models.evidence(session, repository, digest)
    return Found(evidence, oci.IMAGE, digest) if evidence is not None else None


def _evidence(session: Session, signed: Variant) -> list[dict[str, Json]]:
    items = []
    for row in oci_models.evidence_of(session, signed):
        made = oci_models.evidence_manifest(session, row, signed)
        if digests.of(made) != row.manifest:
            raise errors.IntegrityError(f"evidence {row.manifest} of {signed.digest} has changed")
        one = Descriptor(oci.IMAGE, row.manifest, len(made))
        said = oci_documents.annotations(oci_models.bundle(session, row, signed))
        items.append(oci_documents.listed(one, oci_documents.BUNDLE_TYPE, said))
    for added in evidence_rows.delivered(session, signed.id):
        made = oci_models.carrier(added, signed.manifest)
        if digests.of(made) != added.manifest:
            raise errors.IntegrityError(f"evidence {added.manifest} of {signed.digest} has changed")
        one = Descriptor(oci.IMAGE, added.manifest, len(made))
        said = oci_documents.annotations(added.bundle)
        items.append(oci_documents.listed(one, oci_documents.BUNDLE_TYPE, said))
    return items


def _tags_of_model(session: Session, model: str) -> set[str]:
    shown = set(oci_models.aliases(session, model))
    for number, variant in oci_models.numbered(session, model):
        shown |= {str(number), f"{number}-{variant}"}
    return shown


def _page(ordered: Iterable[Iterable[str]], limit: int) -> Page:
    """The first of all, each once; every list is long enough to tell whether there are more."""
    merged = list(dict.fromkeys(heapq.merge(*ordered)))
    shown = tuple(merged[:limit])
    return Page(shown, shown[-1] if shown and len(merged) > limit else "")
