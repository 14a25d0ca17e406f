"""Word to a run that nobody waits for any more: who asked has left, or their time is over.

It is given on the event loop, and heeded in the engine's thread by an engine that can stop midway.
Any other runs on to its end, for nobody.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Stop:
    """Of one run; `is_told` once it is not wanted any more."""

    __slots__ = ("_heed", "is_told")

    def __init__(self) -> None:
        self.is_told = False
        self._heed: Callable[[], None] | None = None

    def tell(self) -> None:
        """From any thread, and as often as one likes."""
        self.is_told = True
        if self._heed is not None:
            self._heed()

    def heed_by(self, heed: Callable[[], None]) -> None:
        """`heed` is called when it is told; at once, where it has been."""
        self._heed = heed
        if self.is_told:
            heed()


_CURRENT: ContextVar[Stop | None] = ContextVar("stop", default=None)


@contextmanager
def heeding(stop: Stop) -> Iterator[None]:
    """What runs in the block, in this thread, is to heed it."""
    token = _CURRENT.set(stop)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current() -> Stop | None:
    """What a run that begins here is to heed; None where it is wanted whatever happens."""
    return _CURRENT.get()


def is_told() -> bool:
    """Whether the run that is under way here has been told to stop."""
    found = _CURRENT.get()
    return found is not None and found.is_told
