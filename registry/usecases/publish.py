"""Publishes a version: every check first, then one transaction that makes it true.

Before the transaction nothing is stored but blobs nobody refers to; after it, the version, its
statement and its log entry are there together. Publishing the very same version again returns
it; the same number with other files is a conflict.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from registry import errors
from registry.core import canonical, digest, entries, manifest, names, oms, statement
from registry.core.canonical import Json
from registry.core.oms import File
from registry.db import log as log_rows
from registry.db import tables, versions
from registry.db.engine import Session
from registry.formats.inspection import Inspection
from registry.trust import sign
from registry.usecases import inspection, log
from registry.usecases.access import Caller
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Draft:
    """What a publisher asks for. `version` None means the next one."""

    model: str
    version: int | None
    format: str
    files: tuple[File, ...]
    publisher_bundle: dict[str, Json]
    metadata: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft whose files are stored, signed by `publisher`, and safe to load."""

    draft: Draft
    publisher: str
    inspected: Inspection


@dataclass(frozen=True, slots=True)
class Issue:
    """A checked draft that got its number, and with that its identity."""

    checked: Checked
    number: int
    built: manifest.Built
    by: Caller
    now: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """The version, and whether it is this call that created it."""

    version: tables.Version
    is_new: bool


def publish(registry: Registry, draft: Draft, by: Caller) -> Published:
    """Raises InvalidInput, UnsafeModel, SignatureInvalid, Conflict, and nothing is published."""
    _require_form(registry, draft)
    existing = _existing(registry, draft)
    if existing is not None:
        return Published(existing, is_new=False)
    _require_stored(registry, draft)
    trusted = registry.trust_root().publishers
    publisher = oms.verify(draft.publisher_bundle, draft.files, trusted)
    inspected = inspection.inspect(registry, draft.format, draft.files)
    return _store(registry, Checked(draft, publisher, inspected), by)


def _require_form(registry: Registry, draft: Draft) -> None:
    names.slug(draft.model)
    if draft.version is not None:
        names.version(draft.version)
    limit = registry.settings.limits.max_files
    if not 0 < len(draft.files) <= limit:
        raise errors.InvalidInput(f"a version has 1 to {limit} files, not {len(draft.files)}")
    names.file_paths([file.path for file in draft.files])
    for file in draft.files:
        digest.parse(file.digest)


def _require_stored(registry: Registry, draft: Draft) -> None:
    for file in draft.files:
        stored = registry.blobs.size(file.digest)
        if stored is None:
            raise errors.InvalidInput(
                f"file {file.path!r}: its bytes {file.digest} have not been uploaded",
                fix="upload every file before publishing the version",
            )
        if stored != file.size:
            raise errors.InvalidInput(
                f"file {file.path!r}: declared with {file.size} bytes, stored are {stored}"
            )


def _existing(registry: Registry, draft: Draft) -> tables.Version | None:
    if draft.version is None:
        return None
    with registry.database.reading() as session:
        return _same(versions.find(session, draft.model, draft.version), draft)


def _same(found: tables.Version | None, draft: Draft) -> tables.Version | None:
    """`found`, if it is what `draft` describes; Conflict if it is something else."""
    if found is None:
        return None
    if found.digest == _build(draft, found.version).digest:
        return found
    raise errors.Conflict(
        f"{found.model} version {found.version} exists with other files ({found.digest})",
        fix="a version never changes: publish these files under the next number",
    )


def _build(draft: Draft, number: int) -> manifest.Built:
    return manifest.build(model=draft.model, version=number, format=draft.format, files=draft.files)


def _store(registry: Registry, checked: Checked, by: Caller) -> Published:
    draft, now = checked.draft, datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)  # from here on no other writer can be first
        model = versions.ensure_model(session, draft.model, now=now)
        number = draft.version or model.next_version
        existing = _same(versions.find(session, draft.model, number), draft)
        if existing is not None:
            return Published(existing, is_new=False)
        versions.take_number(session, draft.model, expected=model.next_version, number=number)
        issue = Issue(checked, number, _build(draft, number), by, now)
        version = _insert(session, registry, issue)
        session.commit()
        return Published(version, is_new=True)


def _insert(session: Session, registry: Registry, issue: Issue) -> tables.Version:
    draft, built = issue.checked.draft, issue.built
    config = manifest.parse(built.manifest).config
    registry.blobs.put(built.config, config)
    blobs = [(file.digest, file.size) for file in draft.files]
    versions.ensure_blobs(session, [*blobs, (config, len(built.config))], now=issue.now)
    index = log.append(session, registry, _entry(issue), now=issue.now)
    version = _row(issue, sign.sign_version(_statement(issue), registry.signing_key), index)
    versions.add(session, version)
    return version


def _statement(issue: Issue) -> statement.Version:
    draft, publisher = issue.checked.draft, issue.checked.publisher
    return statement.Version(draft.model, issue.number, issue.built.digest, draft.format, publisher)


def _entry(issue: Issue) -> entries.Entry:
    draft, checked = issue.checked.draft, issue.checked
    commit = draft.metadata.get("commit")
    return entries.Entry(
        time=log.stamp(issue.now),
        kind=entries.Kind.PUBLISHED,
        actor=issue.by.actor,
        model=draft.model,
        version=issue.number,
        digest=issue.built.digest,
        commit=commit if isinstance(commit, str) else "",
        detail={
            "publisher": checked.publisher,
            "format": draft.format,
            "isolation": checked.inspected.detail.get("isolation"),
        },
    )


def _row(issue: Issue, registry_bundle: dict[str, Json], log_index: int) -> tables.Version:
    draft, checked = issue.checked.draft, issue.checked
    return tables.Version(
        model=draft.model,
        version=issue.number,
        digest=issue.built.digest,
        format=draft.format,
        size=sum(file.size for file in draft.files),
        publisher=checked.publisher,
        actor=issue.by.actor,
        manifest=issue.built.manifest,
        publisher_bundle=canonical.encode(draft.publisher_bundle),
        registry_bundle=canonical.encode(registry_bundle),
        signature=checked.inspected.signature.document(),
        details=draft.metadata,
        log_index=log_index,
        created_at=issue.now,
        files=[
            tables.File(path=file.path, digest=file.digest, size=file.size) for file in draft.files
        ],
    )
