"""What wraps the keys of stored blobs: a key provider. One suite of tests runs against each.

A file key is wrapped as a stanza of an age header. The provider's own key has versions: the
newest wraps, the older ones still unwrap until they are retired.
"""

from dataclasses import dataclass
from typing import Protocol

from registry.core.age import FileKey, Stanza


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A file key, how it is wrapped, and by which version of which key."""

    key: FileKey
    stanza: Stanza
    by: str


class KeyProvider(Protocol):
    """Any number of threads may call at once.

    Each call raises Unavailable where the provider does not answer, InvalidConfig where it does
    not let us in, or has no such key.
    """

    def current(self) -> str:
        """The key that wraps now, as `Wrapped.by` names it."""

    def generate(self) -> Wrapped:
        """A file key that nobody has used."""

    def unwrap(self, stanza: Stanza) -> FileKey:
        """The key in it; raises DecryptionFailed where no version that is there opens it."""

    def rewrap(self, stanza: Stanza) -> tuple[Stanza, str]:
        """The same key, wrapped by the newest version; raises DecryptionFailed."""

    def rotate(self) -> str:
        """Make a new version and wrap with that from now on; gives its name."""

    def retire(self) -> None:
        """Forget all versions but the newest: what they wrap, nobody opens any more."""
