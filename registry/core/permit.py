"""Permits: the reconciler's signed word that one host may serve one version for one deployment.

Made after verification and policy have said yes, handed to the instance at its start, and checked
by the runtime before it loads anything. Predicate type `https://plimsoll.dev/permit/v1`; the
subject is the manifest's digest. Who owns the registry, or replays the permit of another host,
deployment or version, gets nothing loaded by it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from registry.core import canonical, digest, dsse, fields
from registry.core.canonical import Json
from registry.core.envelope import Wanted
from registry.core.oms import STATEMENT_TYPE
from registry.core.trustroot import TrustRoot
from registry.errors import InvalidInput, PermitExpired, PermitRefused

PREDICATE_TYPE = "https://plimsoll.dev/permit/v1"
_WHAT = "permit"
_FORM = "%Y-%m-%dT%H:%M:%SZ"
_EXAMPLE = "2026-11-28T09:00:00Z"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a host is about to load, and for which deployment (`environment/name`)."""

    host: str
    deployment: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Permit:
    """`policies` is the digest of the policies that agreed at `decided_at`, RFC 3339 in UTC.

    `expires` is RFC 3339 too, or empty for never; `serial` tells two permits of one claim apart.
    """

    claim: Claim
    commit: str
    policies: str
    decided_at: str
    expires: str
    serial: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A permit whose signature is that of `reconciler`, a name from the trust root."""

    permit: Permit
    reconciler: str


def encode(permit: Permit) -> bytes:
    """The payload the reconciler signs, in canonical JSON."""
    claim, wanted = permit.claim, permit.claim.wanted
    subject = {
        "name": f"{wanted.model}@{wanted.version}",
        "digest": {"sha256": wanted.digest.removeprefix("sha256:")},
    }
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [subject],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "host": claim.host,
                "deployment": claim.deployment,
                "model": wanted.model,
                "version": wanted.version,
                "digest": wanted.digest,
                "commit": permit.commit,
                "policies": permit.policies,
                "decidedAt": permit.decided_at,
                "expires": permit.expires,
                "serial": permit.serial,
            },
        }
    )


def signers(trust: TrustRoot, host: str) -> tuple[dsse.Signer, ...]:
    """Whose permits count on `host`: an agent's on its own host, and nowhere else."""
    return (*trust.reconcilers, *(one for one in trust.agents if one.name == host))


def is_asked_for(trust: TrustRoot) -> bool:
    """Whether hosts load only what they are permitted; they do where nobody could permit it."""
    return bool(trust.reconcilers or trust.agents)


def verify(bundle: dict[str, Json], reconcilers: Iterable[dsse.Signer]) -> Verified:
    """What one of `reconcilers` permits; raises `SignatureInvalid`, `PermitRefused`, ...

    It says nothing on whether that is what a host is about to do: see `require`.
    """
    signed = dsse.verify(bundle, reconcilers)
    said = decode(signed.payload)
    if encode(said) != signed.payload:
        raise PermitRefused("the permit says more than, or other than, permit/v1 may say")
    return Verified(said, signed.signer)


def claimed(text: bytes | str) -> Permit:
    """What a permit as JSON text says, unverified; raises `InvalidInput`."""
    bundle = canonical.decode_object(text if isinstance(text, bytes) else text.encode(), what=_WHAT)
    envelope = fields.mapping(bundle, "dsseEnvelope", what=_WHAT)
    return decode(fields.base64_bytes(envelope, "payload", what=_WHAT))


def decode(payload: bytes) -> Permit:
    """Read a payload, unverified; raises `InvalidInput`."""
    document = canonical.decode_object(payload, what=_WHAT)
    if document.get("_type") != STATEMENT_TYPE or document.get("predicateType") != PREDICATE_TYPE:
        raise PermitRefused("what should be a permit is a statement of another type")
    predicate = fields.mapping(document, "predicate", what=_WHAT)
    wanted = Wanted(
        fields.text(predicate, "model", what=_WHAT),
        fields.integer(predicate, "version", what=_WHAT),
        digest.parse(predicate.get("digest")),
    )
    claim = Claim(
        fields.text(predicate, "host", what=_WHAT),
        fields.text(predicate, "deployment", what=_WHAT),
        wanted,
    )
    permit = Permit(
        claim,
        **{
            ours: fields.text(predicate, theirs, what=_WHAT)
            for ours, theirs in (
                ("commit", "commit"),
                ("policies", "policies"),
                ("decided_at", "decidedAt"),
                ("expires", "expires"),
                ("serial", "serial"),
            )
        },
    )
    for text in filter(None, (permit.decided_at, permit.expires)):
        when(text)
    return permit


def require(permit: Permit, claim: Claim) -> None:
    """Raises `PermitRefused` unless `permit` is for exactly `claim`."""
    said, wanted = permit.claim, claim.wanted
    compared = (
        ("host", said.host, claim.host),
        ("deployment", said.deployment, claim.deployment),
        ("model", said.wanted.model, wanted.model),
        ("version", str(said.wanted.version), str(wanted.version)),
        ("digest", said.wanted.digest, wanted.digest),
    )
    for name, theirs, ours in compared:
        if theirs != ours:
            raise PermitRefused(
                f"the permit is for {name} {theirs[:80]!r}, this is {name} {ours[:80]!r}",
                fix="let the reconciler start the instance; a permit cannot be passed on",
            )


def require_current(permit: Permit, now: datetime) -> None:
    """Raises `PermitExpired` where the permit has run out; one without an end never does."""
    if permit.expires and now >= when(permit.expires):
        raise PermitExpired(
            f"the permit of {permit.decided_at} ran out at {permit.expires}, "
            f"and this host's clock says {stamp(now)}",
            fix="set the host's clock if it is wrong; else the reconciler's next permit will do",
        )


def when(text: str) -> datetime:
    """Read RFC 3339 in UTC, as `stamp` writes it; raises `InvalidInput`."""
    try:
        time = datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInput(f"{_WHAT}: {text[:40]!r} is not a time such as {_EXAMPLE}") from error
    if stamp(time) != text:
        raise InvalidInput(f"{_WHAT}: {text[:40]!r} is not written like {_EXAMPLE}")
    return time


def stamp(time: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return time.astimezone(UTC).strftime(_FORM)
