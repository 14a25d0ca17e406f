"""Publishes versions and their variants: every check first, then one transaction that is it.

Before the transaction nothing is stored but blobs nobody refers to; after it, the version, its
statement and its log entry are there together. Publishing the very same again returns it; the
same number with other files is a conflict.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from registry import errors
from registry.core import canonical, digest, entries, facts, manifest, statement
from registry.core.canonical import Json
from registry.core.envelope import Wanted
from registry.db import blobs, derivations, tables, versions
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.trust import sign
from registry.usecases import checking, documents, log, policing
from registry.usecases.access import Caller
from registry.usecases.checking import Checked, Draft
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Issue:
    """A checked draft that got its number, and with that its identity."""

    checked: Checked
    number: int
    built: manifest.Built
    by: Caller
    now: datetime
    desk: policing.Desk


@dataclass(frozen=True, slots=True)
class Published:
    """The version with all that its document shows, and whether it is this call that made it."""

    version: tables.Version
    is_new: bool


def publish(registry: Registry, draft: Draft, by: Caller) -> Published:
    """Raises InvalidInput, UnsafeModel, SignatureInvalid, Conflict, and nothing is published."""
    sound = checking.require_form(registry, draft)
    if sound.version is not None:
        with registry.database.reading() as session:
            if _is_there(session, sound, sound.version):
                return _unchanged(session, sound.model, sound.version)
    checked = checking.check(registry, sound)
    now = datetime.now(UTC)
    with policing.desk(registry, by) as desk, registry.database.writing() as session:
        log_rows.locked_head(session)  # from here on no other writer can be first
        model, _ = versions.ensure_model(session, sound.model, now=now)
        number = sound.version or model.next_version
        if _is_there(session, sound, number):
            return _unchanged(session, sound.model, number)
        versions.take_number(
            session, sound.model, expected=model.next_version, number=number, now=now
        )
        issue = Issue(checked, number, checking.build(sound, number), by, now, desk)
        version = _new_version(session, issue, _proven(session, registry, issue))
        versions.add(session, version)
        documents.keep(session, version)
        session.commit()
        return Published(version, is_new=True)


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
        draft.variant, draft.signature,
    )  # fmt: skip
    checked = checking.check(registry, sound)
    built = checking.build(sound, number)
    with policing.desk(registry, by) as desk, registry.database.writing() as session:
        issue = Issue(checked, number, built, by, datetime.now(UTC), desk)
        log_rows.locked_head(session)
        version = versions.version(session, draft.model, number)
        if _has_variant(session, version, issue):
            return _unchanged(session, draft.model, number)
        _attach(session, registry, version, issue)
        session.commit()
        return Published(versions.whole(session, draft.model, number), is_new=True)


def complete(registry: Registry, checked: Checked, by: Caller) -> tables.Version:
    """Make a pending version ready with its first variant; Conflict where it is not pending."""
    draft = checked.draft
    number = draft.version or 0
    built = checking.build(draft, number)
    with policing.desk(registry, by) as desk, registry.database.writing() as session:
        issue = Issue(checked, number, built, by, datetime.now(UTC), desk)
        log_rows.locked_head(session)
        version = versions.version(session, draft.model, number)
        if version.status != tables.PENDING:
            raise errors.Conflict(f"{draft.model} version {number} is {version.status}")
        _describe(session, version, issue)
        _attach(session, registry, version, issue)
        session.commit()
        return versions.whole(session, draft.model, number)


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
    if found.digest == checking.build(draft, number).digest:
        return True
    raise errors.Conflict(
        f"{draft.model} version {number} exists with other files or another origin "
        f"({found.digest or found.status})",
        fix="a version never changes: publish these files under the next number",
    )


def _has_variant(session: Session, version: tables.Version, issue: Issue) -> bool:
    draft = issue.checked.draft
    if version.status != tables.READY:
        raise errors.Conflict(
            f"{version.model} version {version.version} is {version.status}",
            fix="only a version that is ready can get another variant",
        )
    for known in versions.variants(session, version.id):
        is_same = known.digest == issue.built.digest
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
    return Published(versions.whole(session, model, number), is_new=False)


def _new_version(session: Session, issue: Issue, first: tables.Variant) -> tables.Version:
    draft = issue.checked.draft
    said = draft.facts
    return tables.Version(
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
        **derivations.described(session, said),
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
    variant = _proven(session, registry, issue)
    variant.version_id = version.id
    versions.add_variant(session, variant)
    version.status, version.status_message = tables.READY, ""
    version.digest = version.digest or issue.built.digest
    version.updated_at = issue.now
    session.flush()


def _proven(session: Session, registry: Registry, issue: Issue) -> tables.Variant:
    """The variant with its statement, now that its log entry is written; raises InvalidInput."""
    draft = issue.checked.draft
    claims = blobs.claims(session, [file.digest for file in draft.files])
    for file in draft.files:
        since = claims.get(file.digest)
        if since is None or since != issue.checked.claims.get(file.digest):
            raise checking.not_stored(file)
    issue.desk.require_publication(session, _subject(issue))
    index = log.append(session, registry, _entry(issue), now=issue.now)
    bundle = sign.sign_version(_statement(issue), registry.signing_key)
    return _variant(issue, bundle, index)


def _subject(issue: Issue) -> policing.Subject:
    """What policies see: what was checked is verified, what the publisher says is not."""
    draft, checked = issue.checked.draft, issue.checked
    shown: dict[str, Json] = {
        "publisher": checked.publisher,
        "signers": [checked.publisher],
        "format": checked.inspected.format,
        "licence": draft.facts.licence,
        "size": sum(file.size for file in draft.files),
        "scan": checked.inspected.document(),
        "approvals": [],
        "evidence": [],
    }
    wanted = Wanted(draft.model, issue.number, issue.built.digest)
    return policing.subject(wanted, draft.facts, shown, format=draft.format)


def _statement(issue: Issue) -> statement.Version:
    draft, checked = issue.checked.draft, issue.checked
    return statement.Version(
        draft.model,
        issue.number,
        issue.built.digest,
        draft.format,
        checked.publisher,
        checked.inspected.document(),
    )


def _entry(issue: Issue) -> entries.Entry:
    draft, checked = issue.checked.draft, issue.checked
    return entries.Entry(
        time=log.stamp(issue.now),
        kind=entries.Kind.PUBLISHED,
        actor=issue.by.actor,
        model=draft.model,
        version=issue.number,
        digest=issue.built.digest,
        commit=draft.facts.commit,
        detail={
            "publisher": checked.publisher,
            "format": draft.format,
            "variant": draft.variant_name,
            "isolation": checked.inspected.detail.get("isolation"),
        },
    )


def _variant(issue: Issue, registry_bundle: dict[str, Json], log_index: int) -> tables.Variant:
    draft, checked = issue.checked.draft, issue.checked
    return tables.Variant(
        name=draft.variant_name,
        format=draft.format,
        digest=issue.built.digest,
        config_digest=digest.of(issue.built.config),
        config=issue.built.config,
        size=sum(file.size for file in draft.files),
        publisher=checked.publisher,
        manifest=issue.built.manifest,
        publisher_bundle=canonical.encode(draft.publisher_bundle),
        registry_bundle=canonical.encode(registry_bundle),
        signature=checked.inspected.signature.document(),
        log_index=log_index,
        created_at=issue.now,
        files=[
            tables.File(path=file.path, digest=file.digest, size=file.size) for file in draft.files
        ],
    )
