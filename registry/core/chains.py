"""A chain of certificates to an authority that the trust root names, or nothing.

The system's authorities play no part. A leaf must be meant for signing code, be valid at the time
of the log entry that it is used for, and bear an identity that its authority is allowed to
vouch for; one for TLS servers, or an expired one, signs no model. The path itself (names, basic
constraints, path length, key usage, name constraints, signatures) is checked by `cryptography`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy

from registry.core.certificates import Authority, Certified, Leaf
from registry.errors import InvalidInput, SignatureInvalid

_MAX_CHAIN, _MAX_BYTES = 8, 16 * 1024
_FIX = "sign with a certificate that an authority in the trust root vouches for"


def of_authority(name: str, pem: str) -> x509.Certificate:
    """The certificate of the authority `name`; raises `InvalidInput`."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise InvalidInput(f"authority {name!r} has no certificate of an authority") from error
    if not constraints.value.ca:
        raise InvalidInput(f"authority {name!r}: its certificate is not that of an authority")
    return certificate


def verify(chain: Sequence[bytes], certified: Certified) -> Leaf:
    """The publisher of a chain of DER certificates, the leaf first; raises `SignatureInvalid`."""
    leaf, *between = _read(chain)
    if not certified.authorities:
        raise SignatureInvalid(
            "signed by certificate, and the trust root names no authority",
            fix="add the authority and its publishers' identities to the trust root",
        )
    _require_valid(leaf, certified.at)
    reasons = []
    for one in certified.authorities:
        try:
            subjects = _path(leaf, between, one, certified.at)
        except verification.VerificationError as error:
            reasons.append(f"{one.name!r}: {_reason(error)}")
            continue
        return Leaf(_publisher(subjects, one, certified.index), _key(leaf))
    raise SignatureInvalid(
        f"the certificate chain leads to no trusted authority ({'; '.join(reasons)})", fix=_FIX
    )


def _read(chain: Sequence[bytes]) -> list[x509.Certificate]:
    if not 0 < len(chain) <= _MAX_CHAIN:
        raise InvalidInput(f"a chain has 1 to {_MAX_CHAIN} certificates, not {len(chain)}")
    if any(len(der) > _MAX_BYTES for der in chain):
        raise InvalidInput(f"a certificate of the chain is larger than {_MAX_BYTES} bytes")
    try:
        return [x509.load_der_x509_certificate(der) for der in chain]
    except ValueError as error:
        raise InvalidInput(f"a certificate of the chain cannot be read: {error}") from error


def _require_valid(leaf: x509.Certificate, at: datetime) -> None:
    """Said first and by itself: it is the reason that people meet most."""
    first, last = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if not first <= at <= last:
        raise SignatureInvalid(
            f"the signing certificate was valid from {first:%Y-%m-%d %H:%M} to "
            f"{last:%Y-%m-%d %H:%M} UTC, the log's time is {at:%Y-%m-%d %H:%M}",
            fix="sign again with a certificate that is valid",
        )


def _path(
    leaf: x509.Certificate, between: list[x509.Certificate], one: Authority, at: datetime
) -> list[x509.GeneralName]:
    """The leaf's alternative names; raises VerificationError."""
    policy = (
        verification.PolicyBuilder()
        .store(verification.Store([one.certificate]))
        .time(at.astimezone(UTC).replace(tzinfo=None))
        .max_chain_depth(_MAX_CHAIN)
        .extension_policies(ca_policy=_AUTHORITIES, ee_policy=_LEAVES)
    )
    return policy.build_client_verifier().verify(leaf, between).subjects or []


def _publisher(subjects: list[x509.GeneralName], one: Authority, index: int) -> str:
    borne = [_said(subject) for subject in subjects]
    found = {
        identity.name
        for identity in one.identities
        if (identity.kind, identity.value) in borne
        and identity.since <= index
        and (identity.until is None or index < identity.until)
    }
    match sorted(found):
        case [name]:
            return name
        case []:
            # Not said here is whose it is: a refusal is logged, and names no persons.
            raise SignatureInvalid(
                f"the certificate bears no identity that authority {one.name!r} may vouch for",
                fix="add the certificate's e-mail or URI to that authority in the trust root",
            )
        case names:
            raise SignatureInvalid(f"the certificate is of {' and '.join(names)} at once", fix=_FIX)


def _said(subject: x509.GeneralName) -> tuple[str, str]:
    match subject:
        case x509.RFC822Name(value=value):
            return "email", value
        case x509.UniformResourceIdentifier(value=value):
            return "uri", value
        case _:
            return "", ""


def _key(leaf: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SignatureInvalid(
            "the certificate's key is not ECDSA", fix="use a key on P-256, P-384 or P-521"
        )
    return key


def _reason(error: verification.VerificationError) -> str:
    """The library's reason, without the certificate that it was met at: that names persons."""
    said, _, _ = str(error).partition(" (encountered processing")
    return said.removeprefix("validation failed: ").rpartition("ValueError: ")[2]


def _signs_code(
    _policy: verification.Policy, _of: x509.Certificate, usage: x509.ExtendedKeyUsage
) -> None:
    if ExtendedKeyUsageOID.CODE_SIGNING not in usage:
        raise ValueError("the certificate is not for signing code")


def _may_issue_signers(
    _policy: verification.Policy, _of: x509.Certificate, usage: x509.ExtendedKeyUsage | None
) -> None:
    meant = {ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if usage is not None and meant.isdisjoint(usage):
        raise ValueError("an authority of the chain may not issue certificates for signing code")


def _signs(_policy: verification.Policy, _of: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.digital_signature:
        raise ValueError("the certificate's key is not for signing")


def _is_no_authority(
    _policy: verification.Policy, _of: x509.Certificate, said: x509.BasicConstraints | None
) -> None:
    if said is not None and said.ca:
        raise ValueError("the certificate is that of an authority, not of a publisher")


_AUTHORITIES = ExtensionPolicy.webpki_defaults_ca().may_be_present(
    x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _may_issue_signers
)
_LEAVES = (
    ExtensionPolicy.permit_all()
    .require_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _signs_code)
    .require_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs)
    .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_no_authority)
    .require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
)
