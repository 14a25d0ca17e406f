"""The connections that are open, of whichever protocol: watched together, and ended in order."""

import asyncio
from typing import Generic, Protocol, TypeVar

SWEEP_SECONDS = 1.0


class Watched(Protocol):
    """One of them."""

    def require_progress(self, now: float) -> None:
        """End what its client has been too slow for; `now` is the loop's time."""

    def drain(self) -> None:
        """Take no more requests, and close once none is owed an answer."""

    def abort(self) -> None:
        """Close it at once, whatever is owed."""


C = TypeVar("C", bound=Watched)


class Opened(Generic[C]):
    """All that are open; after `drain`, `drained` is set once none is."""

    def __init__(self) -> None:
        self.open: set[C] = set()
        self.is_draining = False
        self.drained = asyncio.Event()

    async def watch(self) -> None:
        """Once a second, end what is overdue; never returns. So no request needs a timer."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep(loop.time())

    def sweep(self, now: float) -> None:
        """End what is overdue at `now`, by the event loop's clock."""
        for connection in tuple(self.open):
            connection.require_progress(now)

    def drain(self) -> None:
        """Tell every client to go elsewhere, and end once what is owed is answered."""
        self.is_draining = True
        for connection in tuple(self.open):
            connection.drain()
        self._look()

    def abort(self) -> None:
        """End them all, whatever is owed."""
        for connection in tuple(self.open):
            connection.abort()

    def lost(self, connection: C) -> None:
        """One is closed."""
        self.open.discard(connection)
        self._look()

    def _look(self) -> None:
        if self.is_draining and not self.open:
            self.drained.set()
