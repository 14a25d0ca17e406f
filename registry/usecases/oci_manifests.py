"""Pushes and deletes manifests and tags. One transaction each, under the writer's lock, logged.

Of two pushes of one tag the later wins, whole. In a model's repository tags that read like a
version's, and its aliases, are not to be pushed or deleted: they say what was published.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from registry import errors
from registry.core import digest as digests
from registry.core import entries, oci
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.db import aliases, images, oci_models
from registry.db import log as log_rows
from registry.db import oci as rows
from registry.db.engine import Session
from registry.db.tables_oci import Manifest
from registry.usecases import holds, log, oci_blobs
from registry.usecases.access import Caller
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Push:
    """A manifest that came as `content_type`; `reference` is a tag, or its own digest."""

    repository: str
    reference: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """What it is called from now on; `subject` empty where it is about nothing."""

    digest: str
    subject: str


@dataclass(frozen=True, slots=True)
class _Taken:
    """A push that was read, and whose it is."""

    push: Push
    said: oci.Manifest
    digest: str
    tag: str
    by: Caller
    now: datetime


@dataclass(frozen=True, slots=True)
class _Gone:
    """What was deleted: tags of a manifest, and whether the manifest went too."""

    digest: str
    tags: tuple[str, ...]
    with_manifest: bool


def push(registry: Registry, wanted: Push, by: Caller) -> Pushed:
    """Pushing the same again changes nothing and is not logged.

    Raises InvalidInput, DigestMismatch, MissingContent, or Forbidden for a version's tag.
    """
    taken = _taken(wanted, by)
    oci_blobs.claim(registry, wanted.repository, {found.digest for found in taken.said.blobs})
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        _require_free(session, wanted.repository, taken.tag)
        is_new = _store(session, taken)
        previous = _set_tag(session, taken)
        if is_new or previous is not None:
            _record(session, registry, _pushed(taken, previous or ""), taken.now)
            session.commit()
    return Pushed(taken.digest, taken.said.subject)


def delete(registry: Registry, repository: str, reference: str, by: Caller) -> None:
    """A tag alone; or, by digest, the manifest with every tag on it.

    Raises NotFound, or Forbidden for what a version shows.
    """
    oci.repository(repository)
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        if oci.is_digest(reference):
            gone = _drop_manifest(session, repository, oci.digest_of(reference))
        else:
            gone = _drop_tag(session, repository, oci.tag(reference))
        _record(session, registry, _deleted(repository, gone, by, now), now)
        session.commit()


def _taken(wanted: Push, by: Caller) -> _Taken:
    oci.repository(wanted.repository)
    is_by_digest = oci.is_digest(wanted.reference)
    if is_by_digest:
        oci.digest_of(wanted.reference)
    else:
        oci.tag(wanted.reference)
    said = oci.parse(wanted.content, wanted.content_type)
    digest = digests.of(wanted.content)
    if is_by_digest and digest != wanted.reference:
        raise errors.DigestMismatch(
            f"the manifest has digest {digest}, announced was {wanted.reference}",
            fix="push it under its own digest, or under a tag",
        )
    tag = "" if is_by_digest else wanted.reference
    return _Taken(wanted, said, digest, tag, by, datetime.now(UTC))


def _require_free(session: Session, repository: str, tag: str) -> None:
    """Raises Forbidden for a tag that says which version something is."""
    if not tag or not oci_models.is_model(session, repository):
        return
    if oci.is_reserved(tag) or aliases.find(session, repository, tag) is not None:
        raise errors.Forbidden(
            f"{repository} is a model: tag {tag} is not to be pushed or deleted",
            fix="publish the version with 'plimsoll push', or move the alias with "
            "'plimsoll alias set'",
        )


def _store(session: Session, taken: _Taken) -> bool:
    """Keep the manifest; False where it is there, as a version's or as pushed before."""
    repository, said = taken.push.repository, taken.said
    there = _known(session, repository, {taken.digest})
    if there:
        return False
    lacking = oci_blobs.missing(session, repository, said.blobs)
    children = {found.digest for found in said.manifests}
    unknown = sorted(children - _known(session, repository, children))
    if lacking or unknown:
        raise errors.MissingContent(
            f"the manifest refers to what is not there: {lacking or unknown[0]}",
            fix="push everything that a manifest refers to before the manifest",
        )
    rows.ensure_repository(session, repository, now=taken.now)
    row = Manifest(
        repository=repository,
        digest=taken.digest,
        media_type=said.media_type,
        artifact_type=said.artifact_type,
        annotations=said.annotations,
        subject=said.subject or None,
        content=taken.push.content,
        size=len(taken.push.content),
        actor=taken.by.actor,
        created_at=taken.now,
    )
    rows.add_manifest(session, row, said, now=taken.now)
    return True


def _set_tag(session: Session, taken: _Taken) -> str | None:
    """What the tag stood for, empty if it is new; None where nothing moves."""
    if not taken.tag:
        return None
    repository = taken.push.repository
    rows.ensure_repository(session, repository, now=taken.now)
    return rows.move_tag(session, repository, taken.tag, taken.digest, now=taken.now)


def _drop_manifest(session: Session, repository: str, digest: str) -> _Gone:
    if oci_models.known_manifests(session, repository, {digest}):
        raise errors.Forbidden(
            f"{digest} is a version of {repository}, or its evidence",
            fix="delete the version instead; evidence stays with it",
        )
    pushed = rows.manifest(session, repository, digest)
    if pushed is None:
        raise errors.NotFound(f"{repository} has no manifest {digest}")
    if composed := images.composed_of(session, repository, digest):
        raise errors.Forbidden(
            f"{digest} was composed of version {composed[0]} of {repository}",
            fix="it goes with the version",
        )
    about = oci_models.variant(session, repository, pushed.subject or "")
    if about is not None:
        holds.require_free(session, repository, about[1])
    tags = rows.remove_manifest(session, repository, digest)
    return _Gone(digest, tuple(tags), with_manifest=True)


def _drop_tag(session: Session, repository: str, tag: str) -> _Gone:
    _require_free(session, repository, tag)
    found = rows.tag(session, repository, tag)
    if found is None:
        raise errors.NotFound(f"{repository} has no tag {tag}")
    session.delete(found)
    return _Gone(found.digest, (tag,), with_manifest=False)


def _known(session: Session, repository: str, wanted: set[str]) -> set[str]:
    pushed = rows.known_manifests(session, repository, wanted)
    return pushed | oci_models.known_manifests(session, repository, wanted - pushed)


def _record(session: Session, registry: Registry, entry: entries.Entry, now: datetime) -> None:
    is_model = oci_models.is_model(session, str(entry.detail["repository"]))
    model = str(entry.detail["repository"]) if is_model else ""
    log.append(session, registry, replace(entry, model=model), now=now)


def _pushed(taken: _Taken, previous: str) -> entries.Entry:
    said = {
        "repository": taken.push.repository,
        "mediaType": taken.said.media_type,
        "tag": taken.tag,
        "previous": previous,
        "subject": taken.said.subject,
    }
    detail: dict[str, Json] = {name: value for name, value in said.items() if value}
    return entries.Entry(
        time=log.stamp(taken.now),
        kind=Kind.ARTIFACT_PUSHED,
        actor=taken.by.actor,
        digest=taken.digest,
        detail=detail,
    )


def _deleted(repository: str, gone: _Gone, by: Caller, now: datetime) -> entries.Entry:
    return entries.Entry(
        time=log.stamp(now),
        kind=Kind.ARTIFACT_DELETED,
        actor=by.actor,
        digest=gone.digest,
        detail={"repository": repository, "tags": [*gone.tags], "manifest": gone.with_manifest},
    )
