"""Publishers known by certificate, and the authorities that a trust root lets vouch for them.

What is done with X.509 itself is in `registry.core.chains`, which is imported when there is a
certificate to look at: most trust roots name no authority, and the library for it takes a while.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True)
class Identity:
    """Who bears the SAN `kind` (`email` or `uri`) of exactly this `value` is publisher `name`.

    As a key does, it counts from entry `since` of the log on, and before entry `until`.
    """

    kind: str
    value: str
    name: str
    since: int = 0
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority, and the only identities that it may vouch for."""

    name: str
    certificate: "x509.Certificate"
    identities: tuple[Identity, ...]

    @property
    def pem(self) -> str:
        """The certificate as it stands in the trust root."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")


@dataclass(frozen=True, slots=True)
class Certified:
    """The authorities, and for what they are asked: entry `index` of the log, made at `at`."""

    authorities: tuple[Authority, ...]
    index: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Leaf:
    """A publisher and the key that the chain vouches for."""

    name: str
    key: ec.EllipticCurvePublicKey


def authority(name: str, pem: str, identities: tuple[Identity, ...]) -> Authority:
    """Read an authority's certificate; raises `InvalidInput`."""
    from registry.core import chains  # noqa: PLC0415  heavy, and seldom needed

    return Authority(name, chains.of_authority(name, pem), identities)


def verify(chain: Sequence[bytes], certified: Certified) -> Leaf:
    """The publisher of a chain of DER certificates, the leaf first; raises `SignatureInvalid`."""
    from registry.core import chains  # noqa: PLC0415  heavy, and seldom needed

    return chains.verify(chain, certified)
