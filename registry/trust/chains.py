"""A publisher's certificate chain, read from a PEM file: the key's own certificate comes first."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from registry import errors
from registry.trust.keys import SigningKey


def load(path: Path, key: SigningKey) -> list[bytes]:
    """The certificates as DER; raises InvalidConfig where they are none, or not of `key`."""
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise errors.InvalidConfig(
            f"{path}: no certificates can be read from it: {error}",
            fix="put the signing certificate in PEM form there, and then its intermediates",
        ) from error
    if chain[0].public_key() != key.private.public_key():
        raise errors.InvalidConfig(
            f"{path}: the first certificate is not that of the signing key",
            fix="put the signing certificate first, and name the key that belongs to it",
        )
    return [certificate.public_bytes(Encoding.DER) for certificate in chain]
