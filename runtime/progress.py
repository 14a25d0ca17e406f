"""How far the pull of a version is. Written by the pulling thread, read by whoever asks."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Progress:
    """`total` is 0 until the manifest is verified, since nothing else says how much will come."""

    total: int = 0
    _targets: Sequence[Path] = ()

    def begin(self, targets: Sequence[Path], total: int) -> None:
        """From here on `pulled` counts what lies in `targets`."""
        self._targets, self.total = targets, total

    def finish(self, total: int) -> None:
        """All of it is here."""
        self._targets, self.total = (), total

    @property
    def pulled(self) -> int:
        """Bytes on this disk, those of an earlier attempt included."""
        found, targets = 0, self._targets
        if not targets:
            return self.total
        for target in targets:
            with suppress(OSError):  # not begun yet, or moved into the cache meanwhile
                found += target.stat().st_size
        return found
