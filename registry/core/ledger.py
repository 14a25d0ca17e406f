"""A log read leaf by leaf: its root so far, which evidence it names about which version, and where
aliases point.

Who has only an envelope cannot see what was left out of it. Who has read the log can.
"""

from collections.abc import Collection, Iterable

from registry.core import canonical, merkle
from registry.core.canonical import Json
from registry.core.entries import Kind

_KINDS = frozenset({Kind.REVOKED, Kind.ATTESTED})
_MOVES = frozenset({Kind.ALIAS_MOVED, Kind.ALIAS_REMOVED})


class Ledger:
    """Takes leaves in their order, from the first one on; what it keeps is small."""

    def __init__(self) -> None:
        self.size = 0
        self._newest: dict[int, bytes] = {}
        self._named: dict[tuple[Json, Json, Json], list[tuple[int, str]]] = {}
        self._aliases: dict[tuple[Json, Json], Json] = {}

    @property
    def root(self) -> bytes:
        """The root over all leaves taken."""
        return merkle.root(self.size, lambda level, _: self._newest[level])

    def take(self, leaves: Iterable[bytes]) -> None:
        """The next leaves; raises `InvalidInput` for one that is none."""
        for leaf in leaves:
            entry = canonical.decode_object(leaf, what="log entry")
            added = merkle.appended(self.size, leaf, lambda level, _: self._newest[level])
            self._newest |= {level: value for level, _, value in added}
            # Kinds of a newer release are passed over: they are no evidence that we know.
            if entry.get("kind") in _KINDS:
                about = (entry.get("model"), entry.get("version"), entry.get("digest"))
                self._named.setdefault(about, []).append((self.size, str(entry["kind"])))
            elif entry.get("kind") in _MOVES and isinstance(detail := entry.get("detail"), dict):
                gone = entry["kind"] == Kind.ALIAS_REMOVED
                alias = entry.get("model"), detail.get("alias")
                self._aliases[alias] = None if gone else entry.get("version")
            self.size += 1

    def alias(self, model: str, alias: str) -> Json:
        """The version that it points at; None where it points nowhere."""
        return self._aliases.get((model, alias))

    def withheld(
        self, model: str, version: int, digest: str, *, within: int, shown: Collection[int]
    ) -> list[int]:
        """Which entries below `within` must have come with the version, and are not in `shown`.

        Every revocation, and the newest test result or provenance: what is missing else makes
        a policy say no, never yes.
        """
        named = [one for one in self._named.get((model, version, digest), ()) if one[0] < within]
        wanted = {index for index, kind in named if kind == Kind.REVOKED}
        wanted |= set([index for index, kind in named if kind == Kind.ATTESTED][-1:])
        return sorted(wanted - set(shown))
