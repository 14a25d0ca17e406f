"""Keys of marks, each derived from the one before, one way: master, version, copy.

A version's key depends on the content that is marked, not on its name: the same files are marked
alike whatever they are called. A copy's key finds one recipient's mark and makes no other's.
"""

import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from registry.core import digest as digests

SIZE = 32


@dataclass(frozen=True, slots=True)
class CopyKey:
    """What an auditor may be given. `bias` is common to all copies, `chips` is of one."""

    bias: bytes = field(repr=False)
    chips: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class VersionKey:
    """Makes and finds every copy of one content; never leaves the registry."""

    secret: bytes = field(repr=False)

    def copy_key(self, recipient: str) -> CopyKey:
        """The key of the copy for `recipient`."""
        return CopyKey(self._derived(b"bias"), self._derived(b"chips " + recipient.encode()))

    def _derived(self, purpose: bytes) -> bytes:
        return HKDFExpand(SHA256(), SIZE, b"plimsoll wm/v1 " + purpose).derive(self.secret)


def version_key(master: bytes, digest: str) -> VersionKey:
    """The key of the content with this digest (`records.content_digest`); raises InvalidInput."""
    salt = bytes.fromhex(digests.parse(digest).removeprefix("sha256:"))
    return VersionKey(HKDF(SHA256(), SIZE, salt, b"plimsoll wm/v1 version").derive(master))


def commitment(key: VersionKey, digest: str) -> str:
    """What binds the key to the content before anybody looks for a mark, and does not show it."""
    said = b"plimsoll wm/v1 commitment\0" + key.secret + digest.encode()
    return f"sha256:{hashlib.sha256(said).hexdigest()}"
