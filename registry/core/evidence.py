"""Evidence: signed statements about a manifest's digest, and what each kind of them says.

An in-toto statement in a DSSE envelope in a Sigstore bundle; its predicate type says which kind
it is, and the kind says whose signature counts. `read` checks signature, subject and shape;
whether the log has it, and whether it still counts, is asked in `registry.core.weighing`.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC
from enum import StrEnum

from registry.core import canonical, digest, dsse, explanation, fields, oms, trustroot
from registry.core.canonical import Json
from registry.core.certificates import Certified
from registry.core.oms import STATEMENT_TYPE, File
from registry.core.trustroot import TrustRoot
from registry.errors import InvalidInput, SignatureInvalid

APPROVAL_TYPE = "https://plimsoll.dev/approval/v1"
REVOCATION_TYPE = "https://plimsoll.dev/revocation/v1"
TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
# Where a test result says when the tests ended; the predicate type itself has no field for it.
TESTED_AT = "plimsoll_testedAt"
METRICS = "plimsoll_metrics"
REASON_LIMIT = 2000
_WHAT = "evidence"


class Kind(StrEnum):
    """What a statement is; policies ask by these names."""

    SIGNATURE = "signature"
    APPROVAL = "approval"
    TEST_RESULT = "test-result"
    PROVENANCE = "provenance"
    REVOCATION = "revocation"
    EXPLANATION = "explanation"


KINDS = {
    oms.PREDICATE_TYPE: Kind.SIGNATURE,
    APPROVAL_TYPE: Kind.APPROVAL,
    TEST_RESULT_TYPE: Kind.TEST_RESULT,
    PROVENANCE_TYPE: Kind.PROVENANCE,
    REVOCATION_TYPE: Kind.REVOCATION,
    explanation.TYPE: Kind.EXPLANATION,
}
_QUARANTINERS = ("publishers", "approvers")
# Whose signatures count for what; a revocation must also fit what it revokes.
_ROLES = {
    Kind.SIGNATURE: ("publishers",),
    Kind.APPROVAL: ("approvers",),
    Kind.TEST_RESULT: ("testers", "reconcilers"),
    Kind.PROVENANCE: ("publishers",),
    Kind.REVOCATION: ("publishers", "approvers", "testers", "reconcilers"),
    Kind.EXPLANATION: ("publishers", "testers"),
}
PREDICATE_TYPES = {kind: name for name, kind in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Subject:
    """The version that evidence must be about."""

    model: str
    version: int
    digest: str
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody signed. Nothing here says that the log has it, or that it still counts.

    `id` is the digest of what was signed and by which key, and not of the signature: that can be
    changed by anybody without breaking it. `said_at` is the signer's own word, empty where the
    statement has none. `revokes` is the id of what a revocation withdraws; empty: the version.
    """

    id: str
    kind: Kind
    signer: str
    key: str
    said_at: str = ""
    passed: bool | None = None
    revokes: str = ""
    detail: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verified:
    """Evidence that counts: signed by who may, entered in the log, not revoked.

    `at` is the time of its log entry, or of its signing where the signer says it was earlier.
    """

    id: str
    kind: Kind
    signer: str
    key: str
    at: str
    log_index: int
    passed: bool | None
    detail: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Trusted:
    """Whose signatures count at one place of the log; by certificate only where `certified`."""

    signers: tuple[dsse.Signer, ...]
    certified: Certified | None = None


def signers(trust: TrustRoot, kind: Kind) -> tuple[dsse.Signer, ...]:
    """Whose keys may ever count for this kind."""
    return _listed(trust, _ROLES[kind])


def trusted(trust: TrustRoot, kind: Kind, *, index: int, at: str) -> Trusted:
    """Whose signatures count for this kind in entry `index` of the log, of time `at`."""
    return _valid(trust, _ROLES[kind], index, at)


def revokers(target: Statement | None, trust: TrustRoot, *, index: int, at: str) -> Trusted:
    """Who may revoke `target`: whoever could have made it. None asks who may quarantine.

    A quarantine by an approver is lifted by approvers alone.
    """
    if target is None:
        return _valid(trust, _QUARANTINERS, index, at)
    if target.kind is not Kind.REVOCATION:
        return trusted(trust, target.kind, index=index, at=at)
    by_approver = target.key in {signer.hint for signer in trust.approvers}
    return _valid(trust, ("approvers",) if by_approver else _QUARANTINERS, index, at)


def _valid(trust: TrustRoot, roles: tuple[str, ...], index: int, at: str) -> Trusted:
    """Authorities vouch for publishers alone: only among these a certificate counts."""
    certified = trust.certified(index, at) if "publishers" in roles else None
    return Trusted(dsse.valid_at(_listed(trust, roles), index), certified)


def _listed(trust: TrustRoot, roles: tuple[str, ...]) -> tuple[dsse.Signer, ...]:
    lists = {
        "publishers": trust.publishers,
        "approvers": trust.approvers,
        "testers": trust.testers,
        "reconcilers": trust.reconcilers,
    }
    return tuple(signer for role in roles for signer in lists[role])


def kind(bundle: dict[str, Json]) -> Kind:
    """What the bundle claims to be; raises `InvalidInput` for what we have no rules for."""
    document = canonical.decode_object(dsse.unverified_payload(bundle), what=_WHAT)
    found = KINDS.get(str(document.get("predicateType")))
    if found is None:
        raise InvalidInput(
            f"{_WHAT} has the unknown predicate type {str(document.get('predicateType'))[:120]!r}",
            fix=f"use one of {', '.join(KINDS)}",
        )
    return found


def identity(payload: bytes, key: str) -> str:
    """The id of a statement: the digest of what was signed, and of which key signed it."""
    return digest.of(dsse.pae(payload) + key.encode())


def read(bundle: dict[str, Json], about: Subject, by: Trusted) -> Statement:
    """The statement, if one of those trusted signed it about this version; raises otherwise."""
    is_a = kind(bundle)
    signed = dsse.verify(bundle, by.signers, by.certified)
    found = Statement(identity(signed.payload, signed.key), is_a, signed.signer, signed.key)
    if is_a is Kind.SIGNATURE:
        oms.require_files(signed.payload, about.files)
        return found
    document = canonical.decode_object(signed.payload, what=_WHAT)
    if document.get("_type") != STATEMENT_TYPE:
        raise InvalidInput(f"{_WHAT} is not an in-toto statement v1")
    _require_subject(document, about)
    return _said(found, fields.mapping(document, "predicate", what=_WHAT), about)


def _said(found: Statement, predicate: dict[str, Json], about: Subject) -> Statement:
    match found.kind:
        case Kind.APPROVAL:
            return _approval(found, predicate, about)
        case Kind.REVOCATION:
            return _revocation(found, predicate, about)
        case Kind.TEST_RESULT:
            return _test_result(found, predicate)
        case Kind.PROVENANCE:
            return _provenance(found, predicate)
        case Kind.EXPLANATION:
            return _explanation(found, predicate, about)
        case Kind.SIGNATURE:
            return found


def _approval(found: Statement, predicate: dict[str, Json], about: Subject) -> Statement:
    _require_own(predicate, about, {"reason", "approvedAt"})
    return replace(
        found,
        said_at=instant(predicate, "approvedAt"),
        detail={"reason": _reason(predicate)},
    )


def _revocation(found: Statement, predicate: dict[str, Json], about: Subject) -> Statement:
    _require_own(predicate, about, {"reason", "revokedAt", "revokes"})
    revokes = fields.text(predicate, "revokes", what=_WHAT)
    return replace(
        found,
        said_at=instant(predicate, "revokedAt"),
        revokes=digest.parse(revokes) if revokes else "",
        detail={"revokes": revokes, "reason": _reason(predicate)},
    )


def _test_result(found: Statement, predicate: dict[str, Json]) -> Statement:
    result = fields.text(predicate, "result", what=_WHAT)
    if result not in {"PASSED", "WARNED", "FAILED"}:
        raise InvalidInput(f"{_WHAT}: result {result[:40]!r} is not PASSED, WARNED or FAILED")
    fields.objects(predicate, "configuration", what=_WHAT)
    said_at = instant(predicate, TESTED_AT) if TESTED_AT in predicate else ""
    return replace(found, said_at=said_at, passed=result == "PASSED", detail=predicate)


def _provenance(found: Statement, predicate: dict[str, Json]) -> Statement:
    definition = fields.mapping(predicate, "buildDefinition", what=_WHAT)
    run = fields.mapping(predicate, "runDetails", what=_WHAT)
    builder = fields.mapping(run, "builder", what=_WHAT)
    metadata = run.get("metadata")
    ended = metadata.get("finishedOn") if isinstance(metadata, dict) else None
    return replace(
        found,
        said_at=instant({"finishedOn": ended}, "finishedOn") if ended is not None else "",
        detail={
            "builder": fields.text(builder, "id", what=_WHAT),
            "buildType": fields.text(definition, "buildType", what=_WHAT),
        },
    )


def _explanation(found: Statement, predicate: dict[str, Json], about: Subject) -> Statement:
    _require_own(predicate, about, {*explanation.FIELDS, "explainedAt"})
    said = explanation.parse(predicate)
    return replace(
        found, said_at=instant(predicate, "explainedAt"), detail=explanation.without_pictures(said)
    )


def _require_subject(document: dict[str, Json], about: Subject) -> None:
    wanted = about.digest.removeprefix("sha256:")
    found = fields.objects(document, "subject", what=_WHAT)
    if not any(fields.mapping(one, "digest", what=_WHAT).get("sha256") == wanted for one in found):
        raise SignatureInvalid(
            f"{_WHAT} is about something else than {about.model}@{about.version} ({about.digest})",
            fix="sign a statement about this version's own digest",
        )


def _require_own(predicate: dict[str, Json], about: Subject, more: set[str]) -> None:
    """Our own predicates say all they may say: a field we do not know might be a condition."""
    wanted = {"model", "version", "digest"} | more
    if predicate.keys() != wanted:
        odd = min(predicate.keys() ^ wanted)
        raise InvalidInput(f"{_WHAT}: field {odd[:80]!r} is missing, or is none of this predicate")
    model = fields.text(predicate, "model", what=_WHAT)
    version = fields.integer(predicate, "version", what=_WHAT)
    said = (model, version, fields.text(predicate, "digest", what=_WHAT))
    if said != (about.model, about.version, about.digest):
        raise SignatureInvalid(f"{_WHAT} names {model[:128]}@{version} in its predicate")


def _reason(predicate: dict[str, Json]) -> str:
    reason = fields.text(predicate, "reason", what=_WHAT)
    if len(reason) > REASON_LIMIT:
        raise InvalidInput(f"{_WHAT}: the reason has {len(reason)} characters", fix="be shorter")
    return reason


def instant(source: dict[str, Json], name: str) -> str:
    """The RFC 3339 time in the field `name`, in UTC with milliseconds."""
    found = trustroot.instant(fields.text(source, name, what=_WHAT), what=f"{_WHAT}: {name!r}")
    try:
        utc = found.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput(f"{_WHAT}: {name!r} is no time that there ever was") from error
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
