"""Takes evidence in: checked as whoever decides will check it, logged in the same transaction.

The registry keeps only what counts by its own trust root. Nobody has to believe that: hosts and
the reconciler check it all again. Adding the very same again changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from registry import errors
from registry.core import (
    canonical,
    cursor,
    entries,
    evidence,
    evidence_notes,
    marked,
    oci_documents,
    weighing,
)
from registry.core import digest as digests
from registry.core.canonical import Json
from registry.core.evidence import Kind, Statement, Subject, Trusted
from registry.core.oms import File
from registry.db import evidence as rows
from registry.db import log as log_rows
from registry.db import tables, versions, watermarks
from registry.db.engine import Session
from registry.db.tables_evidence import Evidence
from registry.usecases import log, pull
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from registry.usecases.search import PAGE, Found


@dataclass(frozen=True, slots=True)
class Limit:
    """How long one piece may be, and how many one key may sign about one variant."""

    size: int
    count: int


# Raises where what is given (None: the version) is not the signer's to revoke.
_Check: TypeAlias = Callable[[Statement | None], None]
# Together they keep an envelope below what hosts take, whatever a few trusted signers do.
LIMITS = {
    Kind.SIGNATURE: Limit(256 * 1024, 4),
    Kind.APPROVAL: Limit(16 * 1024, 16),
    Kind.TEST_RESULT: Limit(64 * 1024, 10_000),
    Kind.PROVENANCE: Limit(64 * 1024, 16),
    Kind.REVOCATION: Limit(16 * 1024, 64),
    Kind.EXPLANATION: Limit(128 * 1024, 64),
}
_EVERYBODY = frozenset({Role.ADMIN, Role.PUBLISHER, Role.APPROVER, Role.RECONCILER})
# An approval takes two things, the key and the token: who has stolen one has not both.
_SENDERS = dict.fromkeys(Kind, _EVERYBODY) | {Kind.APPROVAL: frozenset({Role.APPROVER})}
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Added:
    """The evidence as it is filed, and whether it is this call that filed it."""

    row: Evidence
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Draft:
    """A bundle that was looked at, and whose it is."""

    bundle: dict[str, Json]
    content: bytes
    kind: Kind
    by: Caller
    now: datetime


def add(registry: Registry, model: str, number: int, bundle: dict[str, Json], by: Caller) -> Added:
    """File `bundle` as evidence about a version, if its signer counts for what it is.

    Raises NotFound, Gone, InvalidInput, SignatureInvalid, Forbidden, TooLarge; Conflict where a
    revocation has nothing to revoke, or the signer has signed too much already.
    """
    draft = _draft(bundle, by)
    trust = registry.trust_root()
    with registry.database.writing() as session:
        head = log_rows.locked_head(session)
        version = pull.ready(session, model, number)
        at = log.stamp(draft.now)
        by_whom = evidence.trusted(trust, draft.kind, index=head.size, at=at)
        variant, said = _about(session, version, bundle, by_whom)
        known = rows.find(session, variant.id, said.id)
        if known is not None:
            return Added(known, is_new=False)
        _require_other_person(variant, said)
        target = _target(
            session,
            variant,
            said,
            lambda of: weighing.require_revocable(bundle, of, trust, index=head.size, at=at),
        )
        _require_room(session, variant, said)
        entry = _entry(draft, version, variant, said)
        row = _row(draft, variant, said, log.append(session, registry, entry, now=draft.now))
        session.add(row)
        _revoke(session, target, row)
        version.updated_at = draft.now
        session.commit()
        return Added(row, is_new=True)


def page(
    registry: Registry, model: str, number: int, *, limit: int = PAGE, token: str = ""
) -> Found[Evidence]:
    """In the order of the log, without bundles; raises NotFound, InvalidInput."""
    asked, after = f"evidence of {model}@{number}", -1
    if token:
        (last,) = cursor.decode(token, asked=asked, kinds=(int,))
        after = last if isinstance(last, int) else -1
    with registry.database.reading() as session:
        version = versions.version(session, model, number)
        found = rows.page(session, version.id, after=after, limit=limit + 1)
    shown = found[:limit]
    following = None
    if len(found) > len(shown):
        following = cursor.encode((shown[-1].log_index,), asked=asked)
    return Found(shown, following)


def one(registry: Registry, model: str, number: int, statement: str) -> Evidence:
    """With its bundle; raises NotFound."""
    with registry.database.reading() as session:
        version = versions.version(session, model, number)
        found = rows.of_version(session, version.id, statement)
    if found is None:
        raise errors.NotFound(
            f"{model} version {number} has no evidence {statement[:80]}",
            fix=f"see GET /v1/models/{model}/versions/{number}/evidence for what it has",
        )
    return found


def last(registry: Registry, model: str, number: int, kind: Kind) -> Evidence | None:
    """The newest of a kind that stands, with its bundle; raises NotFound."""
    with registry.database.reading() as session:
        return rows.last(session, versions.version(session, model, number).id, kind)


def _draft(bundle: dict[str, Json], by: Caller) -> _Draft:
    kind, content = evidence.kind(bundle), canonical.encode(bundle)
    if by.role not in _SENDERS[kind]:
        raise errors.Forbidden(
            f"a token of role {by.role} may not bring evidence of kind {kind}",
            fix=f"use a token of role {' or '.join(sorted(_SENDERS[kind]))}",
        )
    limit = LIMITS[kind]
    if len(content) > limit.size:
        raise errors.TooLarge(
            f"the {kind} has {len(content)} bytes", fix=f"at most {limit.size} fit"
        )
    return _Draft(bundle, content, kind, by, datetime.now(UTC))


def _about(
    session: Session,
    version: tables.Version,
    bundle: dict[str, Json],
    trusted: Trusted,
) -> tuple[tables.Variant, Statement]:
    """Which variant it is about, and what it says; raises what the first one has against it."""
    refusals: list[errors.PlimsollError] = []
    for variant in versions.variants(session, version.id):
        files = _signed_files(session, variant)
        about = Subject(version.model, version.version, variant.digest, files)
        try:
            return variant, evidence.read(bundle, about, trusted)
        except (errors.InvalidInput, errors.IntegrityError) as error:
            refusals.append(error)
    raise refusals[0]


def _signed_files(session: Session, variant: tables.Variant) -> tuple[File, ...]:
    """What publishers sign: where the files are marked, those that they were made from."""
    if variant.watermark is not None:
        return watermarks.sources(session, variant.id)
    return tuple(File(file.path, file.digest, file.size) for file in variant.files)


def _require_other_person(variant: tables.Variant, said: Statement) -> None:
    """Nobody approves what they published: it would never count, and is better said at once."""
    if said.kind not in {Kind.APPROVAL, Kind.SIGNATURE}:
        return
    # The trust root gives one name to all keys of a person, and one key to one name.
    if said.signer == variant.publisher:
        word = "approve" if said.kind is Kind.APPROVAL else "sign once more"
        raise errors.Conflict(
            f"{said.signer!r} has published this, and cannot {word} it",
            fix="let another person do it, with a key of their own",
        )


def _target(
    session: Session,
    variant: tables.Variant,
    said: Statement,
    check: _Check,
) -> Evidence | None:
    """What the statement revokes; None where it is no revocation, or is about the version."""
    if said.kind is not Kind.REVOCATION:
        return None
    if not said.revokes:
        check(None)
        return None
    target = rows.find(session, variant.id, said.revokes)
    if target is None:
        raise errors.NotFound(
            f"there is no evidence {said.revokes} to revoke",
            fix="name the id that 'plimsoll evidence list' shows",
        )
    check(_statement(target))
    if target.revoked_by is not None:
        raise errors.Conflict(
            f"it is revoked already, by entry {target.revoked_by} of the log",
            fix="nothing is to be done",
        )
    return target


def _revoke(session: Session, target: Evidence | None, by: Evidence) -> None:
    if target is None:
        return
    target.revoked_by = by.log_index
    lifted = rows.find(session, target.variant_id, target.revokes) if target.revokes else None
    if lifted is not None:
        lifted.revoked_by = None


def _require_room(session: Session, variant: tables.Variant, said: Statement) -> None:
    limit = LIMITS[said.kind].count
    if rows.count(session, variant.id, said.kind, said.key) >= limit:
        raise errors.Conflict(
            f"{said.signer!r} has signed {limit} statements of kind {said.kind} about this already",
            fix="use those that are there",
        )


def _statement(row: Evidence) -> Statement:
    return Statement(row.statement, Kind(row.kind), row.signer, row.key, revokes=row.revokes)


def _entry(
    draft: _Draft, version: tables.Version, variant: tables.Variant, said: Statement
) -> entries.Entry:
    """Who signed it, and why, is in the statement alone: the log is public, and for ever."""
    detail: dict[str, Json] = {
        "evidence": said.id,
        "predicateType": evidence.PREDICATE_TYPES[said.kind],
    }
    if said.revokes:
        detail["revokes"] = said.revokes
    if variant.watermark is not None and said.kind is Kind.SIGNATURE:
        # Without it nobody could tell later which files were signed.
        detail[marked.DETAIL] = str(variant.watermark["statement"])
    return entries.Entry(
        time=log.stamp(draft.now),
        kind=weighing.ENTRIES[said.kind],
        actor=draft.by.actor,
        model=version.model,
        version=version.version,
        digest=variant.digest,
        detail=detail,
    )


def _row(draft: _Draft, variant: tables.Variant, said: Statement, index: int) -> Evidence:
    carrier = oci_documents.evidence(draft.content, subject=variant.manifest)
    return Evidence(
        log_index=index,
        version_id=variant.version_id,
        variant_id=variant.id,
        digest=variant.digest,
        statement=said.id,
        kind=said.kind,
        signer=said.signer,
        key=said.key,
        passed=said.passed,
        revokes=said.revokes,
        manifest=digests.of(carrier),
        bundle_digest=digests.of(draft.content),
        size=len(draft.content),
        actor=draft.by.actor,
        created_at=draft.now,
        note=evidence_notes.note(said),
        bundle=draft.content,
    )
