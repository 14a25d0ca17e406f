"""Publishes versions and their variants: every check first, then one transaction that is it.

Before the transaction nothing is stored but blobs nobody refers to; after it, the version, its
statement and its log entry are there together. Publishing the very same again returns it; the
same number with other files is a conflict.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from registry import errors
from registry.core import facts
from registry.core.oms import File
from registry.core.watermark import records
from registry.db import derivations, fresh, tables, trips, versions
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.db.prepared import Asked
from registry.usecases import checking, documents, issuing, policing, watermarking
from registry.usecases.access import Caller
from registry.usecases.checking import Checked, Draft
from registry.usecases.issuing import Issue
from registry.usecases.marks import Marking
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Published:
    """The version, its document as `documents.text` writes it, and whether this call made it."""

    version: tables.Version | fresh.Version
    is_new: bool
    document: str


def publish(registry: Registry, draft: Draft, by: Caller) -> Published:
    """Raises InvalidInput, UnsafeModel, SignatureInvalid, Conflict, and nothing is published.

    CannotMark where the draft asks for a mark that these files cannot carry.
    """
    sound = checking.require_form(registry, draft)
    if sound.version is not None:
        with registry.database.reading() as session:
            if _is_there(session, sound, sound.version):
                return _unchanged(session, sound.model, sound.version)
    checked = watermarking.marked(registry, checking.check_sound(registry, sound))
    now = datetime.now(UTC)
    with policing.desk(registry, by) as desk, registry.database.writing() as session:
        with trips.together(session):
            log_rows.lock_head(session)  # from here on no other writer can be first
            claims = issuing.ask_for_claims(session, checked)
            taking = _taking(session, sound, now)
        taken = taking()
        if taken is None:
            return _unchanged(session, sound.model, sound.version or 0)
        built = checking.build(checked.draft, taken.number)
        issue = Issue(checked, taken.number, built, by, now, desk, claims)
        issuing.require_allowed(session, issue)
        described = derivations.described(session, checked.draft.facts)
        with trips.as_one(session):
            proven = issuing.prove(session, registry, issue)
            version = _new_version(issue, proven.variant, described)
            version.id, proven.variant.id = taken.version_id, taken.variant_id
            fresh.add(session, version)
            document = documents.keep(session, version)
        proven.file_mark(session)
        session.commit()
        return Published(version, True, document)


def add_variant(registry: Registry, draft: Draft, by: Caller) -> Published:
    """Another form of a version that is there; raises like `publish`, and NotFound.

    What the version's publisher said holds for all its variants, so the draft says nothing.
    """
    number = draft.version or 0
    with registry.database.reading() as session:
        existing = versions.version(session, draft.model, number)
        origin = facts.Facts(
            licence=existing.licence, commit=existing.commit, repository=existing.repository
        )
    sound = checking.Draft(
        draft.model, number, draft.format, draft.files, draft.publisher_bundle, origin,
        draft.variant, draft.signature, draft.watermark,
    )  # fmt: skip
    checked = watermarking.marked(registry, checking.check(registry, sound))
    built = checking.build(checked.draft, number)
    with policing.desk(registry, by) as desk, registry.database.writing() as session:
        claims = _locked(session, checked)
        issue = Issue(checked, number, built, by, datetime.now(UTC), desk, claims)
        version = versions.version(session, draft.model, number)
        if _has_variant(session, version, issue):
            return _unchanged(session, draft.model, number)
        _attach(session, registry, version, issue)
        session.commit()
        found = versions.whole(session, draft.model, number)
        return Published(found, True, documents.text(found))


def complete(registry: Registry, checked: Checked, by: Caller) -> tables.Version:
    """Make a pending version ready with its first variant; Conflict where it is not pending."""
    draft = checked.draft
    number = draft.version or 0
    built = checking.build(draft, number)
    with policing.desk(registry, by) as desk, registry.database.writing() as session:
        claims = _locked(session, checked)
        issue = Issue(checked, number, built, by, datetime.now(UTC), desk, claims)
        version = versions.version(session, draft.model, number)
        if version.status != tables.PENDING:
            raise errors.Conflict(f"{draft.model} version {number} is {version.status}")
        _describe(session, version, issue)
        _attach(session, registry, version, issue)
        session.commit()
        return versions.whole(session, draft.model, number)


def _locked(session: Session, checked: Checked) -> Asked:
    """Locks the log's head, and with it asks for the claims on the files."""
    with trips.together(session):
        log_rows.lock_head(session)
        return issuing.ask_for_claims(session, checked)


def _taking(session: Session, draft: Draft, now: datetime) -> Callable[[], versions.Taken | None]:
    """The number that is given out for `draft`; None where the very same is there under its own."""
    if draft.version is not None:
        return partial(_taken, session, draft, draft.version, now)
    asked = versions.ask_for_next(session, draft.model, now=now)
    return partial(versions.take_next, session, draft.model, asked, now=now)


def _taken(session: Session, draft: Draft, number: int, now: datetime) -> versions.Taken | None:
    following = versions.next_number(session, draft.model, now=now)
    # From `following` on no number was ever given out.
    if number < following and _is_there(session, draft, number):
        return None
    model = draft.model
    return versions.take_number(session, model, expected=following, number=number, now=now)


def _is_there(session: Session, draft: Draft, number: int) -> bool:
    """True if the version is what `draft` describes; Conflict if something else, or Gone."""
    found = versions.identity(session, draft.model, number)
    if found is None:
        return False
    if found.status == tables.PENDING:
        raise errors.Conflict(
            f"{draft.model} version {number} is being checked",
            fix="wait until it is ready, or publish under the next number",
        )
    if found.status in {tables.EXPIRED, tables.ERASED}:
        raise errors.Gone(
            f"{draft.model} version {number} was published before and is {found.status}",
            fix="a number is never given out twice: publish under the next one",
        )
    is_as_it_came = found.digest == checking.build(draft, number).digest
    if is_as_it_came or _is_marked(session, found, draft, number):
        _require_wish(draft, number, has_mark=not is_as_it_came)
        return True
    raise errors.Conflict(
        f"{draft.model} version {number} exists with other files or another origin "
        f"({found.digest or found.status})",
        fix="a version never changes: publish these files under the next number",
    )


def _is_marked(session: Session, found: versions.Identity, draft: Draft, number: int) -> bool:
    """Whether the version is what the draft's files became when they were marked."""
    for known in versions.variants(session, found.id):
        if known.digest == found.digest and _is_made_from(known, draft.files):
            files = tuple(File(file.path, file.digest, file.size) for file in known.files)
            return found.digest == checking.build(replace(draft, files=files), number).digest
    return False


def _is_made_from(known: tables.Variant, files: tuple[File, ...]) -> bool:
    mark = known.watermark
    return mark is not None and mark.get("content") == records.content_digest(files)


def _require_wish(draft: Draft, number: int, *, has_mark: bool) -> None:
    """Raises Conflict where the very same is there, and not with or without a mark as wanted."""
    wanted = draft.watermark
    if wanted is not None and (wanted is Marking.ON) != has_mark:
        raise errors.Conflict(
            f"{draft.model} version {number} exists {'with' if has_mark else 'without'} a mark",
            fix="a version never changes: publish these files under the next number",
        )


def _has_variant(session: Session, version: tables.Version, issue: Issue) -> bool:
    draft = issue.checked.draft
    if version.status != tables.READY:
        raise errors.Conflict(
            f"{version.model} version {version.version} is {version.status}",
            fix="only a version that is ready can get another variant",
        )
    mark = issue.checked.mark
    signed = draft.files if mark is None else mark.source
    for known in versions.variants(session, version.id):
        is_same = known.digest == issue.built.digest or _is_made_from(known, signed)
        if known.name == draft.variant_name and is_same:
            return True
        if known.name == draft.variant_name or is_same:
            raise errors.Conflict(
                f"{version.model} version {version.version} has the variant {known.name!r} "
                f"({known.digest})",
                fix="a variant never changes: add these files under another variant's name",
            )
    return False


def _unchanged(session: Session, model: str, number: int) -> Published:
    found = versions.whole(session, model, number)
    return Published(found, False, documents.text(found))


def _new_version(issue: Issue, first: fresh.Variant, described: fresh.Described) -> fresh.Version:
    draft = issue.checked.draft
    said = draft.facts
    return fresh.Version(
        model=draft.model,
        version=issue.number,
        status=tables.READY,
        status_message="",
        digest=first.digest,
        actor=issue.by.actor,
        owner=said.owner,
        description=said.description,
        licence=said.licence,
        commit=said.commit,
        repository=said.repository,
        source=said.source,
        run_id=said.run_id,
        card=said.card,
        created_at=issue.now,
        updated_at=issue.now,
        variants=[first],
        tags=described.tags,
        metrics=described.metrics,
        parameters=described.parameters,
        datasets=described.datasets,
        parents=described.parents,
    )


def _describe(session: Session, version: tables.Version, issue: Issue) -> None:
    """Write down what the publisher says of a version that was pending until now."""
    said = issue.checked.draft.facts
    version.owner = said.owner or version.owner
    version.description = said.description or version.description
    version.licence, version.commit, version.repository = said.licence, said.commit, said.repository
    version.card = said.card
    derivations.describe(session, version.id, said)


def _attach(session: Session, registry: Registry, version: tables.Version, issue: Issue) -> None:
    """Add the variant to a version that is there; it is ready from here on."""
    issuing.require_allowed(session, issue)
    with trips.together(session):
        proven = issuing.prove(session, registry, issue)
        proven.variant.version_id = version.id
        fresh.add_variant(session, proven.variant)
    proven.file_mark(session)
    version.status, version.status_message = tables.READY, ""
    version.digest = version.digest or issue.built.digest
    version.updated_at = issue.now
    session.flush()
