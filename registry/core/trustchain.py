"""Trust roots that follow one another: each version signed by the one before it (TUF's ideas).

A signed trust.json is {"versions": [...]}, oldest first; each is a DSSE envelope around a trust
root with a `root` block, which says whose signatures, and how many, the next one needs. A plain
file is believed as the operator put it there, unless a signed one was accepted before it.
Reading a file, remembering what was accepted and knowing the time is the callers' work.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography.exceptions import InvalidSignature

from registry.core import canonical, dsse, fields, trustroot
from registry.core.canonical import Json
from registry.core.trustroot import Root, TrustRoot
from registry.errors import InvalidInput, TrustRootExpired, TrustRootRefused

PAYLOAD_TYPE = "application/vnd.plimsoll.trust-root+json"
_WHAT = "trust root"
_MAX_VERSIONS = 1000


@dataclass(frozen=True, slots=True)
class Link:
    """One version: the bytes that were signed, what they say, and signatures by key hint."""

    payload: bytes
    trust: TrustRoot
    signatures: tuple[tuple[str, bytes], ...]

    @property
    def root(self) -> Root:
        """Who signs; `link` lets none pass without it."""
        if self.trust.root is None:
            raise InvalidInput(f"{_WHAT} version {self.trust.version} names no root keys")
        return self.trust.root

    def document(self) -> dict[str, Json]:
        """The DSSE envelope."""
        signatures: list[Json] = [
            {"keyid": hint, "sig": base64.b64encode(signature).decode()}
            for hint, signature in self.signatures
        ]
        return {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(self.payload).decode(),
            "signatures": signatures,
        }


def read(offered: bytes, held: bytes = b"") -> TrustRoot:
    """The newest trust root of the file `offered`, if it follows `held`, accepted before.

    Raises `InvalidInput`, or `TrustRootRefused`: for a rollback, a gap, another root of the same
    version, too few signatures, or a plain file after a signed one.
    """
    links = parse(offered)
    before = parse(held) if held else ()
    if not links:
        if before:
            raise TrustRootRefused(
                f"the {_WHAT} is not signed, and version {before[-1].trust.version} was accepted",
                fix="put the signed file back",
            )
        return trustroot.parse(offered)
    require_chain(links)
    if before:
        _require_follows(links, before[-1])
    return links[-1].trust


def require_current(trust: TrustRoot, now: datetime) -> None:
    """Raise `TrustRootExpired` where nothing new may be verified by `trust` any more."""
    if trust.expires and now >= trustroot.instant(trust.expires, what=_WHAT):
        raise TrustRootExpired(
            f"{_WHAT} version {trust.version} expired at {trust.expires}: nothing new is verified "
            "by it; what was verified before goes on",
            fix="sign and hand out the next version: plimsoll trust next, sign, rotate",
        )


def parse(data: bytes) -> tuple[Link, ...]:
    """The versions in a signed file, unchecked; none for a plain one. Raises `InvalidInput`."""
    document = canonical.decode_object(data, what=_WHAT)
    if "versions" not in document:
        return ()
    if document.keys() != {"versions"}:
        raise InvalidInput(f"{_WHAT}: a signed file holds 'versions' and nothing else")
    found = fields.objects(document, "versions", what=_WHAT)
    if not 0 < len(found) <= _MAX_VERSIONS:
        raise InvalidInput(f"{_WHAT} has {len(found)} versions, wanted 1 to {_MAX_VERSIONS}")
    return tuple(link(item) for item in found)


def link(document: dict[str, Json]) -> Link:
    """Read one version's envelope; its signatures are not checked. Raises `InvalidInput`."""
    payload_type = fields.text(document, "payloadType", what=_WHAT)
    if payload_type != PAYLOAD_TYPE:
        raise InvalidInput(f"{_WHAT} has payload type {payload_type[:80]!r}, not {PAYLOAD_TYPE!r}")
    payload = fields.base64_bytes(document, "payload", what=_WHAT)
    trust = trustroot.parse(payload)
    if trust.root is None or trust.version < 1:
        raise InvalidInput(
            f"a signed {_WHAT} needs a version and root keys", fix="make it with plimsoll trust"
        )
    signatures = tuple(
        (fields.text(item, "keyid", what=_WHAT), fields.base64_bytes(item, "sig", what=_WHAT))
        for item in fields.objects(document, "signatures", what=_WHAT)
    )
    return Link(payload, trust, signatures)


def draft(trust: TrustRoot) -> Link:
    """A version that nobody has signed yet."""
    return link(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(canonical.encode(trust.document())).decode(),
            "signatures": [],
        }
    )


def encode(links: Iterable[Link]) -> bytes:
    """A signed trust.json."""
    return canonical.encode({"versions": [one.document() for one in links]})


def signed_by(one: Link, keys: Sequence[dsse.Signer]) -> tuple[str, ...]:
    """Names of those of `keys` who signed `one`: each once, however often they did."""
    message = dsse.pae(one.payload, PAYLOAD_TYPE)
    found: dict[str, None] = {}
    for hint, signature in one.signatures:
        for key in keys:
            if key.hint == hint and _verifies(key, signature, message):
                found[key.name] = None
    return tuple(found)


def require_chain(links: Sequence[Link]) -> None:
    """Raise `TrustRootRefused` unless the first signs itself, and each signs the next."""
    first = links[0]
    _require_threshold(first, first.root, "its own keys")
    for older, newer in pairwise(links):
        require_next(older, newer)


def require_next(older: Link, newer: Link) -> None:
    """Raise `TrustRootRefused` unless `newer` is the version after `older`, signed by both."""
    if newer.trust.version != older.trust.version + 1:
        raise TrustRootRefused(
            f"{_WHAT} version {newer.trust.version} cannot follow version {older.trust.version}",
            fix="hand out every version in between",
        )
    _require_threshold(newer, older.root, f"the keys of version {older.trust.version}")
    _require_threshold(newer, newer.root, "its own keys")


def _require_follows(links: Sequence[Link], held: Link) -> None:
    version, newest = held.trust.version, links[-1].trust.version
    if newest < version:
        raise TrustRootRefused(
            f"{_WHAT} version {newest} is older than version {version}, accepted before",
            fix="put the newer file back",
        )
    by_version = {one.trust.version: one for one in links}
    same = by_version.get(version)
    if same is None:
        require_next(held, links[0])
    elif same.payload != held.payload:
        raise TrustRootRefused(
            f"there are two {_WHAT}s of version {version}, and the other one was accepted before",
            fix="find out who signed the other one: root keys may be in wrong hands",
        )


def _require_threshold(one: Link, root: Root, whose: str) -> None:
    found = signed_by(one, root.keys)
    if len(found) < root.threshold:
        raise TrustRootRefused(
            f"{_WHAT} version {one.trust.version} needs {root.threshold} signatures by {whose}, "
            f"and has {len(found)}{': ' if found else ''}{', '.join(found)}",
            fix="have it signed by more of them: plimsoll trust sign",
        )


def _verifies(key: dsse.Signer, signature: bytes, message: bytes) -> bool:
    try:
        key.key.verify(signature, message, dsse.algorithm(key.key.curve))
    except InvalidSignature:
        return False
    return True
