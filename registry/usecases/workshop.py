"""What one process has in the making: hosts' own copies, with recipes and numbers, and images."""

import threading
from dataclasses import dataclass, field
from typing import Any

from registry.usecases.once import Once
from registry.usecases.recent import Recent

# A runtime gives up waiting for an answer after 30 seconds, and comes again.
_PATIENCE = 20.0
_RECIPES = 32


@dataclass(frozen=True, slots=True)
class Made:
    """Since the process began: copies, their bytes, and the seconds that these took."""

    copies: int = 0
    size: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Workshop:
    """Copies and recipes by variant and host; images, at a first pull, by model and digest."""

    making: Once[tuple[int, str], Any] = field(default_factory=lambda: Once(patience=_PATIENCE))
    images: Once[tuple[str, str], Any] = field(default_factory=lambda: Once(patience=_PATIENCE))
    recipes: Recent[tuple[int, str], Any] = field(default_factory=lambda: Recent(_RECIPES))
    made: Made = field(default_factory=Made)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        """End what is being made, and wait for that."""
        self.making.close()
        self.images.close()

    @property
    def in_hand(self) -> int:
        """How many are being made, or wait for that."""
        return self.making.count

    def note(self, *, size: int, seconds: float) -> None:
        """One more was made."""
        with self._lock:
            was = self.made
            self.made = Made(was.copies + 1, was.size + size, was.seconds + seconds)
