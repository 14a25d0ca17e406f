"""DSSE envelopes inside Sigstore bundles: taken apart, and their one signature checked.

The payload is returned as the bytes that were signed, never a re-encoding of them. Accepted is
ECDSA on P-256, P-384 and P-521, each with the SHA-2 of its size; the caller names the keys and
authorities it trusts. A bundle says by a key's hint or by a certificate chain who signed it,
never by both.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from registry.core import certificates, fields
from registry.core.canonical import Json
from registry.core.certificates import Certified
from registry.errors import InvalidInput, SignatureInvalid

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
# OMS v1.0 §4.2, as Sigstore pairs curves with hashes.
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Signer:
    """A key and the name that the trust root gives it.

    It counts for what the log has from entry `since` on, and before entry `until`.
    """

    name: str
    key: ec.EllipticCurvePublicKey
    since: int = 0
    until: int | None = None
    # OMS v1.0 §5: hex SHA-256 of the PEM form of the public key.
    hint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hint", hashlib.sha256(pem(self.key)).hexdigest())


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


@lru_cache(maxsize=256)
def signer(name: str, public_key: str) -> Signer:
    """Read an ECDSA public key; raises `InvalidInput` for any other kind, or another curve."""
    try:
        key = serialization.load_pem_public_key(public_key.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"public key of {name!r} is not PEM: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not is_accepted(key.curve):
        raise InvalidInput(
            f"public key of {name!r} is not ECDSA on P-256, P-384 or P-521",
            fix="make one with: plimsoll keys generate --out publisher.pem --name NAME",
        )
    return Signer(name, key)


def is_accepted(curve: ec.EllipticCurve) -> bool:
    """Whether signatures by keys on `curve` count."""
    return curve.name in _HASHES


def algorithm(curve: ec.EllipticCurve) -> ec.ECDSA:
    """How keys on `curve` sign; raises `SignatureInvalid` for a curve that is not accepted."""
    if curve.name not in _HASHES:
        raise SignatureInvalid(f"keys on {curve.name} do not count: use P-256, P-384 or P-521")
    return ec.ECDSA(_HASHES[curve.name])


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """DSSE v1 pre-authentication encoding: the very bytes that are signed."""
    return b"DSSEv1 %d %s %d %s" % (
        len(payload_type),
        payload_type.encode(),
        len(payload),
        payload,
    )


def bundle(payload: bytes, signature: bytes, *, hint: str) -> dict[str, Json]:
    """A Sigstore bundle around a signature over `pae(payload)` by the key that `hint` names."""
    return bundle_by(payload, signature, {"publicKey": {"hint": hint}})


def bundle_by(payload: bytes, signature: bytes, signer: dict[str, Json]) -> dict[str, Json]:
    """Like `bundle`; `signer` is the verification material that says who signed."""
    return {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": signer | {"tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode("ascii"),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode("ascii"), "keyid": ""}],
        },
    }


def verify(
    bundle: dict[str, Json], trusted: Iterable[Signer], certified: Certified | None = None
) -> Signed:
    """Check the signature of `bundle` against `trusted`; raises `SignatureInvalid`.

    An empty `trusted` accepts nothing. The key hint only picks the key to try; a bundle
    without a hint, or with one nobody has, is refused. A bundle with a certificate chain is
    refused unless `certified` says which authorities count, and when.
    """
    what = "signature bundle"
    payload, signature = _envelope(bundle, what=what)
    material = fields.mapping(bundle, "verificationMaterial", what=what)
    match sorted(material.keys() & {"publicKey", "x509CertificateChain", "certificate"}):
        case ["publicKey"]:
            public_key = fields.mapping(material, "publicKey", what=what)
            found = _hinted(fields.text(public_key, "hint", what=what), trusted)
        case ["x509CertificateChain"]:
            found = _certified(_chain(material, what=what), certified)
        case kinds:
            raise InvalidInput(
                f"{what} must say either by publicKey or by x509CertificateChain who signed it, "
                f"and has {' and '.join(kinds) or 'neither'}"
            )
    try:
        found.key.verify(signature, pae(payload), algorithm(found.key.curve))
    except InvalidSignature as error:
        raise SignatureInvalid(
            f"the signature does not match key {found.name!r}: the signed document or "
            "the signature was changed",
            fix="push the model again from its source",
        ) from error
    return Signed(payload, found.name, found.hint)


def _hinted(hint: str, trusted: Iterable[Signer]) -> Signer:
    for candidate in trusted:
        if candidate.hint == hint:
            return candidate
    raise SignatureInvalid(
        f"signed by an unknown key (hint {hint[:16]}…)",
        fix="add the signer's public key to the trust root if it should be trusted",
    )


def unverified_hint(bundle: dict[str, Json]) -> str:
    """The key that the bundle claims to be signed with; empty for a certificate."""
    material = fields.mapping(bundle, "verificationMaterial", what="signature bundle")
    key = material.get("publicKey")
    return fields.text(key, "hint", what="signature bundle") if isinstance(key, dict) else ""


def unverified_payload(bundle: dict[str, Json]) -> bytes:
    """What the bundle claims was signed: good for choosing whose signature to ask for, no more."""
    return _envelope(bundle, what="signature bundle")[0]


def _certified(chain: list[bytes], certified: Certified | None) -> Signer:
    if certified is None:
        raise SignatureInvalid(
            "signed by certificate, which does not count here", fix="sign it with a key"
        )
    leaf = certificates.verify(chain, certified)
    return Signer(leaf.name, leaf.key)


def _chain(material: dict[str, Json], *, what: str) -> list[bytes]:
    """The certificates as DER, the leaf first."""
    chain = fields.mapping(material, "x509CertificateChain", what=what)
    return [
        fields.base64_bytes(item, "rawBytes", what=what)
        for item in fields.objects(chain, "certificates", what=what)
    ]


def _envelope(bundle: dict[str, Json], *, what: str) -> tuple[bytes, bytes]:
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
    return (
        fields.base64_bytes(envelope, "payload", what=what),
        fields.base64_bytes(signatures[0], "sig", what=what),
    )
