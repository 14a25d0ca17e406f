"""Documents of evidence: what it is, who signed it, where the log has it, whether it stands."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from registry.api.wire import Document
from registry.core import canonical, evidence
from registry.db import tables, whole
from registry.db.tables_evidence import Evidence


class NewEvidence(Document):
    """`bundle` is a Sigstore bundle with an in-toto statement about the version's digest."""

    bundle: dict[str, Any]


class EvidenceDocument(Document):
    """One statement. `revokedBy` is the log entry of the revocation that stands against it.

    `artifact` is the OCI manifest that carries it. All of this is the registry's word: who
    decides checks the bundles in the pull envelope.
    """

    id: str
    kind: str
    predicate_type: str
    digest: str
    signer: str
    key: str
    passed: bool | None
    revokes: str
    revoked_by: int | None
    note: str
    actor: str
    at: datetime
    log_index: int
    size: int
    artifact: str


class EvidenceBundle(EvidenceDocument):
    bundle: dict[str, Any]


class EvidenceList(Document):
    """In the order of the log; `nextPageToken` brings what came after, null without any."""

    evidence: list[EvidenceDocument]
    next_page_token: str | None


class SignatureDocument(Document):
    """Who signed the files with this digest; `evidence` is null for the publisher's own."""

    digest: str
    signer: str
    log_index: int
    evidence: str | None


def document(row: Evidence) -> EvidenceDocument:
    return EvidenceDocument(**_fields(row))


def with_bundle(row: Evidence) -> EvidenceBundle:
    """An erased statement has an empty bundle."""
    bundle = canonical.decode_object(row.bundle, what="stored evidence") if row.bundle else {}
    return EvidenceBundle(**_fields(row), bundle=bundle)


def signatures(
    variants: Iterable[tables.Variant | whole.Variant], rows: Iterable[Evidence]
) -> list[SignatureDocument]:
    """The publishers', and those that were added and stand."""
    first = [
        SignatureDocument(
            digest=one.digest, signer=one.publisher, log_index=one.log_index, evidence=None
        )
        for one in variants
    ]
    return first + [
        SignatureDocument(
            digest=row.digest, signer=row.signer, log_index=row.log_index, evidence=row.statement
        )
        for row in rows
        if row.kind == evidence.Kind.SIGNATURE and row.revoked_by is None
    ]


def _fields(row: Evidence) -> dict[str, Any]:
    return {
        "id": row.statement,
        "kind": row.kind,
        "predicate_type": evidence.PREDICATE_TYPES[evidence.Kind(row.kind)],
        "digest": row.digest,
        "signer": row.signer,
        "key": row.key,
        "passed": row.passed,
        "revokes": row.revokes,
        "revoked_by": row.revoked_by,
        "note": row.note,
        "actor": row.actor,
        "at": row.created_at,
        "log_index": row.log_index,
        "size": row.size,
        "artifact": row.manifest,
    }
