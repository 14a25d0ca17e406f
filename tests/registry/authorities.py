"""A host's keys and requests, a server's certificate with its own authority, and bad ones."""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from registry.core import age

Private = ec.EllipticCurvePrivateKey


def key_pem(key: Private) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_key(file: Path, key: Private) -> Path:
    file.touch(mode=0o600)
    file.write_bytes(key_pem(key))
    return file


@dataclass
class HostKeys:
    """What a host makes for itself before it enrols."""

    key: Private = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    age_key: age.Identity = field(default_factory=lambda: age.Identity(bytes(range(32))))

    def request(self, signed_by: Private | None = None) -> str:
        """PKCS#10; signed by another key, it proves nothing."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        made = builder.sign(self.key, hashes.SHA256())
        if signed_by is None:
            return made.public_bytes(serialization.Encoding.PEM).decode()
        other = builder.sign(signed_by, hashes.SHA256())
        # The last bytes of the DER are the signature: swap it for the other's.
        ours, theirs = (one.public_bytes(serialization.Encoding.DER) for one in (made, other))
        swapped = ours[: len(ours) - len(made.signature)] + theirs[-len(made.signature) :]
        return ssl.DER_cert_to_PEM_cert(swapped).replace("CERTIFICATE", "CERTIFICATE REQUEST")

    def body(self) -> dict[str, str]:
        return {"certificateRequest": self.request(), "recipient": self.age_key.recipient}

    def context(self, folder: Path, certificate: str, server_ca: Path) -> ssl.SSLContext:
        """TLS of a client that shows `certificate`."""
        (folder / "host.pem").write_text(certificate)
        made = ssl.create_default_context(cafile=str(server_ca))
        made.load_cert_chain(folder / "host.pem", write_key(folder / "host.key", self.key))
        return made


@dataclass
class Ca:
    """An authority that certifies whatever a test asks for."""

    name: str = "test"
    key: Private = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def subject(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.name)])

    def certificate(self) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(self.subject)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def pem(self) -> str:
        return self.certificate().public_bytes(serialization.Encoding.PEM).decode()

    def certify(
        self,
        key: Private,
        names: list[x509.GeneralName],
        *,
        use: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        since: timedelta = timedelta(),
        lasting: timedelta = timedelta(hours=1),
    ) -> str:
        """A certificate in PEM, valid from `since` from now on."""
        begins = datetime.now(UTC) + since
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + lasting)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .sign(self.key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
            .decode()
        )


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def server_files(folder: Path, ca: Ca) -> tuple[Path, Path, Path]:
    """Certificate and key of a server at 127.0.0.1, and the authority its clients trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.IPAddress(ip_address("127.0.0.1"))]
    certificate, authority = folder / "server.pem", folder / "server-ca.pem"
    certificate.write_text(ca.certify(key, names, use=ExtendedKeyUsageOID.SERVER_AUTH))
    authority.write_text(ca.pem())
    return certificate, write_key(folder / "server.key", key), authority
