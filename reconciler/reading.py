"""Reads the registry's log, entry by entry against its signed root, to see what is withheld.

An envelope without a revocation looks as good as one of a version that was never revoked. Here
it is compared with what the log names. Read anew after a start: nothing of it is kept on disk.
"""

import threading

from reconciler import client
from registry import errors
from registry.core import ledger, note
from registry.core.canonical import Json
from registry.core.envelope import Verified

_TOGETHER = 1000


class Reading:
    """One per reconciler; safe from several threads."""

    def __init__(self, registry: client.Registry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._ledger = ledger.Ledger()

    def require_whole(self, found: Verified) -> None:
        """Raise `Withheld` where evidence that must be shown is not; `LogForked`, `Unavailable`."""
        wanted, size = found.wanted, found.checkpoint.size
        with self._lock:
            self._follow(found.checkpoint)
            missing = self._ledger.withheld(
                wanted.model, wanted.version, wanted.digest, within=size, shown=found.shown
            )
        if missing:
            raise errors.Withheld(
                f"the registry withholds evidence about {wanted.model}@{wanted.version} that its "
                f"log names in entry {', '.join(str(index) for index in missing)}",
                fix="run `plimsoll admin verify`, and put back what was taken from the database",
            )

    def alias(self, model: str, alias: str) -> Json:
        """Where the log, as far as it was read, has the alias; None where it has none."""
        with self._lock:
            return self._ledger.alias(model, alias)

    def _follow(self, checkpoint: note.Checkpoint) -> None:
        while self._ledger.size < checkpoint.size:
            start = self._ledger.size
            left = min(_TOGETHER, checkpoint.size - start)
            leaves = self._registry.entries(start, left)[:left]
            if not leaves:
                raise errors.LogForked(f"the log lacks entry {start} of {checkpoint.size}")
            self._ledger.take(leaves)
        if self._ledger.size == checkpoint.size and self._ledger.root != checkpoint.root:
            self._ledger = ledger.Ledger()
            raise errors.LogForked(
                f"the entries of the log are not those that its checkpoint of {checkpoint.size} "
                "signs",
                fix="do not deploy; run `plimsoll audit verify`",
            )
