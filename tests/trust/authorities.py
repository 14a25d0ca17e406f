"""A small certificate authority for tests: roots, intermediates and leaves, honest or flawed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ALICE = x509.RFC822Name("alice@example.org")
PIPELINE = x509.UniformResourceIdentifier("spiffe://example.org/pipeline")

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Holder:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: Private

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def private(self) -> ec.EllipticCurvePrivateKey:
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        return self.key


@dataclass(frozen=True)
class Wish:
    """What a certificate shall say; the defaults are an honest leaf of Alice."""

    name: str = "alice"
    ca: bool = False
    path_length: int | None = None
    key: Private | None = None
    subjects: tuple[x509.GeneralName, ...] = (ALICE,)
    usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CODE_SIGNING,)
    signs: bool = True
    issues: bool = True
    days_before: float = 30
    days_after: float = 30
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = ()


AUTHORITY = Wish(name="Example root", ca=True, subjects=(), usages=(), days_after=3650)


def root(wish: Wish = AUTHORITY) -> Holder:
    """An authority that vouches for itself."""
    return issue(wish, None)


def issue(wish: Wish, by: Holder | None) -> Holder:
    """A certificate as wished, issued `by`, or by itself."""
    key = wish.key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wish.name)])
    issuer = subject if by is None else by.certificate.subject
    issuing = key if by is None else by.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=wish.days_before))
        .not_valid_after(NOW + timedelta(days=wish.days_after))
        .add_extension(x509.BasicConstraints(wish.ca, wish.path_length), critical=True)
        .add_extension(_usage(wish), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing.public_key()),
            critical=False,
        )
    )
    if wish.subjects:
        builder = builder.add_extension(x509.SubjectAlternativeName(wish.subjects), critical=False)
    if wish.usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(wish.usages), critical=False)
    for extension, critical in wish.extra:
        builder = builder.add_extension(extension, critical=critical)
    return Holder(builder.sign(issuing, hashes.SHA256()), key)


def _usage(wish: Wish) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=wish.signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=wish.ca and wish.issues,
        crl_sign=wish.ca,
        encipher_only=False,
        decipher_only=False,
    )
