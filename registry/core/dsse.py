"""DSSE envelopes inside Sigstore bundles: taken apart, and their one signature checked.

The payload is returned as the bytes that were signed, never a re-encoding of them. ECDSA on
P-256 with SHA-256 is the only accepted algorithm; the caller names the keys it trusts.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from registry.core import fields
from registry.core.canonical import Json
from registry.errors import InvalidInput, SignatureInvalid

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Signer:
    """A key and the name that the trust root gives it.

    It counts for what the log has from entry `since` on, and before entry `until`.
    """

    name: str
    key: ec.EllipticCurvePublicKey
    since: int = 0
    until: int | None = None

    @property
    def hint(self) -> str:
        """OMS v1.0 §5: hex SHA-256 of the PEM form of the public key."""
        return hashlib.sha256(pem(self.key)).hexdigest()


@dataclass(frozen=True, slots=True)
class Signed:
    """A payload whose signature verified, who signed it, and the hint of the key that did."""

    payload: bytes
    signer: str
    key: str = ""


def valid_at(signers: Iterable[Signer], index: int) -> tuple[Signer, ...]:
    """Those of `signers` whose keys count for entry `index` of the log."""
    return tuple(
        signer
        for signer in signers
        if signer.since <= index and (signer.until is None or index < signer.until)
    )


def pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """`key` as a SubjectPublicKeyInfo PEM block."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def signer(name: str, public_key: str) -> Signer:
    """Read a P-256 public key; raises `InvalidInput` for any other kind."""
    try:
        key = serialization.load_pem_public_key(public_key.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"public key of {name!r} is not PEM: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise InvalidInput(
            f"public key of {name!r} is not ECDSA P-256",
            fix="make one with: plimsoll keys generate --out publisher.pem --name NAME",
        )
    return Signer(name, key)


def pae(payload: bytes) -> bytes:
    """DSSE v1 pre-authentication encoding: the very bytes that are signed."""
    return b"DSSEv1 %d %s %d %s" % (
        len(PAYLOAD_TYPE),
        PAYLOAD_TYPE.encode(),
        len(payload),
        payload,
    )


def verify(bundle: dict[str, Json], trusted: Iterable[Signer]) -> Signed:
    """Check the signature of `bundle` against `trusted`; raises `SignatureInvalid`.

    An empty `trusted` accepts nothing. The key hint only picks the key to try; a bundle
    without a hint, or with one nobody has, is refused.
    """
    payload, signature, hint = _parts(bundle)
    for candidate in trusted:
        if candidate.hint != hint:
            continue
        try:
            candidate.key.verify(signature, pae(payload), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise SignatureInvalid(
                f"the signature does not match key {candidate.name!r}: the signed document or "
                "the signature was changed",
                fix="push the model again from its source",
            ) from error
        return Signed(payload, candidate.name, candidate.hint)
    raise SignatureInvalid(
        f"signed by an unknown key (hint {hint[:16]}…)",
        fix="add the signer's public key to the trust root if it should be trusted",
    )


def unverified_payload(bundle: dict[str, Json]) -> bytes:
    """What the bundle claims was signed: good for choosing whose signature to ask for, no more."""
    return _parts(bundle)[0]


def _parts(bundle: dict[str, Json]) -> tuple[bytes, bytes, str]:
    what = "signature bundle"
    media_type = fields.text(bundle, "mediaType", what=what)
    if media_type != MEDIA_TYPE:
        raise InvalidInput(f"{what} has media type {media_type[:80]!r}, wanted {MEDIA_TYPE!r}")
    envelope = fields.mapping(bundle, "dsseEnvelope", what=what)
    payload_type = fields.text(envelope, "payloadType", what=what)
    if payload_type != PAYLOAD_TYPE:
        raise InvalidInput(f"{what} has payload type {payload_type[:80]!r}, not {PAYLOAD_TYPE!r}")
    signatures = fields.objects(envelope, "signatures", what=what)
    if len(signatures) != 1:
        raise InvalidInput(f"{what} has {len(signatures)} signatures, wanted exactly one")
    material = fields.mapping(bundle, "verificationMaterial", what=what)
    public_key = fields.mapping(material, "publicKey", what=what)
    return (
        fields.base64_bytes(envelope, "payload", what=what),
        fields.base64_bytes(signatures[0], "sig", what=what),
        fields.text(public_key, "hint", what=what),
    )
