"""One publication as it is written down: policy asked, logged, signed, filed, in one transaction.

Who calls holds the writer's lock and commits. Where the files carry their owner's mark, the log
has that, with the commitment to its key, before it has the publication.
"""

from dataclasses import dataclass
from datetime import datetime

from registry.core import (
    canonical,
    digest,
    entries,
    manifest,
    marked,
    oci_documents,
    oms,
    statement,
)
from registry.core.canonical import Json
from registry.core.envelope import Wanted
from registry.core.watermark import records
from registry.core.watermark.records import Derivation
from registry.core.watermark.scheme import OWNER
from registry.db import blobs, fresh, oci_models, watermarks
from registry.db.engine import Session
from registry.db.prepared import Asked
from registry.db.tables_watermark import Watermark
from registry.trust import sign
from registry.usecases import checking, log, policing, withholding
from registry.usecases.access import Caller
from registry.usecases.checking import Checked
from registry.usecases.marks import Mark
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Issue:
    """A checked draft that got its number, and with that its identity.

    `claims` is what `ask_for_claims` asked for under the writer's lock.
    """

    checked: Checked
    number: int
    built: manifest.Built
    by: Caller
    now: datetime
    desk: policing.Desk
    claims: Asked


@dataclass(frozen=True, slots=True)
class Proven:
    """The variant as it is to be filed, and its mark, which needs the variant's id."""

    variant: fresh.Variant
    watermark: Watermark | None
    source: tuple[oms.File, ...]

    def file_mark(self, session: Session) -> None:
        """To be called once the variant is inserted."""
        if self.watermark is not None:
            self.watermark.variant_id = self.variant.id
            kept = {file.digest for file in self.variant.files}
            watermarks.add(session, self.watermark, self.source, kept=kept)
            signed = {
                oci_documents.DERIVATION: self.watermark.bundle,
                oci_documents.MARKED: self.watermark.signature,
            }
            oci_models.name_evidence(session, self.variant.id, self.variant.manifest, signed)


@dataclass(frozen=True, slots=True)
class _Signed:
    """A mark and the registry's signed word on it; `statement` is the digest of that.

    `signature` is the registry's model signature over the marked files.
    """

    mark: Mark
    bundle: dict[str, Json]
    statement: str
    signature: dict[str, Json]


def ask_for_claims(session: Session, checked: Checked) -> Asked:
    """Asks for the claims on the bytes of all files, the original's among them."""
    return blobs.ask_for_originals(session, [file.digest for file in _files(checked)])


def require_allowed(session: Session, issue: Issue) -> None:
    """Raises InvalidInput where bytes are gone, and PolicyDenied where a policy minds."""
    _require_claims(session, issue)
    issue.desk.require_publication(session, _subject(issue))


def prove(session: Session, registry: Registry, issue: Issue) -> Proven:
    """The variant with its statement, now that its log entry is written.

    It is for what was allowed, and can be told together with what is written next.
    """
    signed = _derivation(registry, issue)
    marked_at = None if signed is None else log.leaf_of(_marking(issue, signed), now=issue.now)
    published = log.leaf_of(_publication(issue, signed), now=issue.now)
    leaves = [published] if marked_at is None else [marked_at, published]
    first = log.append_all(session, registry, leaves)
    bundle = sign.sign_version(_statement(issue), registry.signing_key)
    variant = _variant(issue, bundle, first + len(leaves) - 1)
    if signed is None:
        return Proven(variant, None, ())
    variant.watermark = _shown(signed, first)
    return Proven(variant, _row(issue, signed, first), signed.mark.source)


def _require_claims(session: Session, issue: Issue) -> None:
    """The bytes of all files are still those that were checked."""
    checked = issue.checked
    claims, originals = blobs.claims_and_originals(issue.claims)
    for file in _files(checked):
        since = claims.get(file.digest)
        if since is None or since != checked.claims.get(file.digest):
            raise checking.not_stored(file)
    if originals and checked.mark is None:
        withholding.require_publishable(session, originals, issue.by)


def _files(checked: Checked) -> tuple[oms.File, ...]:
    return checked.draft.files + (checked.mark.source if checked.mark else ())


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
    if checked.mark is not None:
        shown["watermark"] = checked.mark.policy_document()
    wanted = Wanted(draft.model, issue.number, issue.built.digest)
    return policing.subject(wanted, draft.facts, shown, format=draft.format)


def _derivation(registry: Registry, issue: Issue) -> _Signed | None:
    mark = issue.checked.mark
    if mark is None:
        return None
    said = Derivation(
        model=issue.checked.draft.model,
        version=issue.number,
        recipient=OWNER,
        scheme=mark.scheme,
        alpha=mark.alpha,
        weights=mark.weights,
        predicted_z=mark.predicted_z,
        commitment=mark.commitment,
        source=mark.source,
        files=issue.checked.draft.files,
        detail={"trial": mark.trial},
    )
    payload, key = records.encode(said), registry.signing_key
    return _Signed(
        mark,
        sign.sign_statement(payload, key),
        digest.of(payload),
        sign.sign_model(said.model, said.files, key),
    )


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


def _marking(issue: Issue, signed: _Signed) -> entries.Entry:
    """Before anybody looks for a mark, the log has what its key must be."""
    draft, mark = issue.checked.draft, signed.mark
    return entries.Entry(
        time=log.stamp(issue.now),
        kind=entries.Kind.WATERMARKED,
        actor=issue.by.actor,
        model=draft.model,
        version=issue.number,
        digest=issue.built.digest,
        detail={
            "recipient": OWNER,
            "scheme": mark.scheme,
            "weights": mark.weights,
            "commitment": mark.commitment,
            marked.DETAIL: signed.statement,
        },
    )


def _publication(issue: Issue, signed: _Signed | None) -> entries.Entry:
    draft, checked = issue.checked.draft, issue.checked
    detail: dict[str, Json] = {
        "publisher": checked.publisher,
        "format": draft.format,
        "variant": draft.variant_name,
        "isolation": checked.inspected.detail.get("isolation"),
    }
    if signed is not None:
        detail[marked.DETAIL] = signed.statement
    return entries.Entry(
        time=log.stamp(issue.now),
        kind=entries.Kind.PUBLISHED,
        actor=issue.by.actor,
        model=draft.model,
        version=issue.number,
        digest=issue.built.digest,
        commit=draft.facts.commit,
        detail=detail,
    )


def _variant(issue: Issue, registry_bundle: dict[str, Json], log_index: int) -> fresh.Variant:
    draft, checked = issue.checked.draft, issue.checked
    return fresh.Variant(
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
        files=draft.files,
    )


def _shown(signed: _Signed, log_index: int) -> dict[str, Json]:
    """What everybody may see who may see the version."""
    mark = signed.mark
    return {
        "scheme": mark.scheme,
        "weights": mark.weights,
        "predictedZ": mark.predicted_z,
        "commitment": mark.commitment,
        "content": mark.content,
        "statement": signed.statement,
        "logIndex": log_index,
        "trial": mark.trial,
    }


def _row(issue: Issue, signed: _Signed, log_index: int) -> Watermark:
    mark = signed.mark
    return Watermark(
        content=mark.content,
        epoch=mark.epoch,
        scheme=mark.scheme,
        alpha=mark.alpha,
        weights=mark.weights,
        predicted_z=mark.predicted_z,
        commitment=mark.commitment,
        statement=signed.statement,
        log_index=log_index,
        created_at=issue.now,
        trial=mark.trial,
        weights_map=mark.weights_map,
        bundle=canonical.encode(signed.bundle),
        signature=canonical.encode(signed.signature),
    )
