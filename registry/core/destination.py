"""Where a webhook may send to: the form of its address, and which machines it may reach.

The registry stands inside somebody's network, and whoever writes an address stands perhaps
outside: unless a host was allowed by name, only addresses of the public internet are reached.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from registry.errors import InvalidInput

MAX_URL = 2048
# RFC 6052: an IPv4 address behind a translator, which may well be a private one.
NAT64 = ipaddress.ip_network("64:ff9b::/96")
_VISIBLE = re.compile(r"[!-~]+")
_FIX = "write it like https://example.org/hooks/models"


@dataclass(frozen=True, slots=True)
class Destination:
    """An http or https address in its parts; `target` is path and query."""

    host: str
    port: int
    target: str
    is_tls: bool


def parse(url: str) -> Destination:
    """Raises InvalidInput."""
    if len(url) > MAX_URL or not _VISIBLE.fullmatch(url):
        raise InvalidInput(f"an address has 1 to {MAX_URL} visible ASCII characters", fix=_FIX)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"the address cannot be read: {error}", fix=_FIX) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise InvalidInput("the address is not one of http or https", fix=_FIX)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidInput(
            "the address holds a user, a password or a fragment",
            fix="leave it out: the signature tells the receiver who sends",
        )
    is_tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(parts.hostname, port or (443 if is_tls else 80), target, is_tls)


def is_confidential(url: str) -> bool:
    """Whether nobody on the way can read or change what is said there: TLS, or this machine."""
    try:
        found = parse(url)
    except InvalidInput:
        return False
    return found.is_tls or found.host in {"127.0.0.1", "::1", "localhost"}


def may_reach(host: str, address: str, allowed: Iterable[str]) -> bool:
    """Whether `address`, which `host` resolved to, is public or was allowed by a glob."""
    return is_public(address) or is_allowed(host, address, allowed)


def is_allowed(host: str, address: str, allowed: Iterable[str]) -> bool:
    """Whether one of the globs names the host, or the address itself."""
    names = (host.lower().rstrip("."), address.partition("%")[0])
    return any(fnmatchcase(name, glob.lower()) for glob in allowed for name in names)


def is_public(address: str) -> bool:
    """Whether this is an address of the internet at large, looking through IPv6's disguises."""
    found = _plain(ipaddress.ip_address(address.partition("%")[0]))
    if isinstance(found, IPv6Address) and (found.sixtofour or found.teredo):
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def literal(host: str) -> str | None:
    """The address that `host` is already, or None for a name."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def _plain(found: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(found, IPv4Address):
        return found
    if found.ipv4_mapped is not None:
        return found.ipv4_mapped
    if found in NAT64:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found
