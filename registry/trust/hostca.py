"""The certificates of hosts: a small authority of the registry's own, and reading what is shown.

The authority certifies P-256 keys for TLS clients, under one name and for hours. Of a request it
takes the key alone: who it is for says the one-time token, or the certificate that is renewed.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from registry import errors
from registry.trust import keys

# A certificate is valid from a little before it is made: clocks differ.
BACKDATED = timedelta(minutes=1)
_YEARS = timedelta(days=3652)
_SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_CERTIFIES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate in PEM; `fingerprint` is its sha256 in hex."""

    pem: str
    fingerprint: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate that a client showed, as far as we look at it."""

    fingerprint: str
    uris: tuple[str, ...]
    is_for_clients: bool
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """The registry's own host authority."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def __repr__(self) -> str:
        return f"Authority({self.certificate.subject.rfc4514_string()})"

    @property
    def pem(self) -> str:
        """What proves that a certificate is this authority's."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def issue(self, request: str, uri: str, *, now: datetime, lasting: timedelta) -> Issued:
        """Certify the request's key under the name `uri`; raises InvalidInput."""
        key = _requested_key(request)
        until = now.replace(microsecond=0) + lasting
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now.replace(microsecond=0) - BACKDATED)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            # RFC 5280, 4.2.1.6: critical, since the subject is empty.
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=True
            )
            .add_extension(_SIGNS, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(authority, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
        return Issued(pem, certificate.fingerprint(hashes.SHA256()).hex(), until)


def load_or_create(path: Path, trust_domain: str) -> Authority:
    """The authority in `path`, made at the first call; two processes at once get the same one."""
    if not path.exists():
        try:
            keys.write_new(path, _new(trust_domain))
        except FileExistsError:
            pass  # another process was first, and its authority is as good
        except OSError as error:
            raise errors.InvalidConfig(
                f"{path}: the hosts' authority cannot be written: {error.strerror}",
                fix="let the registry write to its data folder",
            ) from error
    pem = keys.read_private(path)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
        certificate = x509.load_pem_x509_certificate(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_authority(path) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _no_authority(path)
    return Authority(key, certificate)


def read(der: bytes) -> Shown:
    """What the certificate says; raises Unauthenticated where it cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        found = certificate.extensions
        names = found.get_extension_for_class(x509.SubjectAlternativeName).value
        uses = found.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise errors.Unauthenticated(
            "the client certificate cannot be read, or names nobody",
            fix="enrol this host again: plimsoll host enrol",
        ) from error
    return Shown(
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        uris=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        is_for_clients=ExtendedKeyUsageOID.CLIENT_AUTH in uses,
        since=certificate.not_valid_before_utc,
        until=certificate.not_valid_after_utc,
    )


def is_issued_by(der: bytes, authorities: str) -> bool:
    """Whether one of these PEM certificates signed this one itself."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        known = x509.load_pem_x509_certificates(authorities.encode())
    except ValueError:
        return False
    return any(_has_signed(one, certificate) for one in known)


def _has_signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001  whatever is wrong with it, it does not count
        return False
    return True


def _requested_key(request: str) -> ec.EllipticCurvePublicKey:
    try:
        found = x509.load_pem_x509_csr(request.encode())
        key = found.public_key()
        is_proved = found.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise errors.InvalidInput(
            "the certificate request cannot be read", fix="send a PKCS#10 request in PEM"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise errors.InvalidInput("the certificate request is not for a P-256 key")
    if not is_proved:
        raise errors.InvalidInput("the certificate request is not signed by its own key")
    return key


def _new(trust_domain: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    said = f"Plimsoll hosts of {trust_domain} {secrets.token_hex(4)}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, said[:64])])
    now = datetime.now(UTC)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CERTIFIES, critical=True)
        .add_extension(own, critical=False)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def _no_authority(path: Path) -> errors.InvalidConfig:
    return errors.InvalidConfig(
        f"{path}: not the key and certificate of a host authority",
        fix="put the file back that the registry made; without it, remove it and enrol all hosts",
    )
