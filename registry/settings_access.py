"""How callers get to one registry: TLS, hosts' certificates, identity providers, limits."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SignIn:
    """As which client people are sent to a provider and come back; without a secret, as a public
    one. `label` is what the button says, `hours` how long they stay signed in."""

    client: str
    secret: Path | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    label: str = ""
    hours: float = 8.0


@dataclass(frozen=True, slots=True)
class Issuer:
    """An identity provider whose tokens, for `audience`, are taken.

    A token may last `max_minutes` from when it was issued; `leeway` seconds are forgiven to
    clocks. While the provider is away its keys stay good for `keys_hours`. With `sign_in` people
    may sign in there for the pages.
    """

    url: str
    audience: str
    max_minutes: float = 15.0
    leeway: float = 30.0
    keys_hours: float = 24.0
    sign_in: SignIn | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """`certificate` and `key` make it listen with TLS; then clients may show certificates of the
    registry's own host authority, and of those in `client_ca`.

    Hosts are called `spiffe://trust_domain/host/name`. From `proxies` alone are the headers taken
    that say whom they speak for. `file` says in which role callers of `issuers` act.
    """

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    trust_domain: str = "plimsoll.local"
    certificate_hours: float = 24.0
    enrolment_minutes: float = 60.0
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    file: Path | None = None
    issuers: tuple[Issuer, ...] = ()
    failures_per_minute: int = 30
    requests_per_minute: int = 60_000
