"""Whether the requests of a version come alone, one after the other, or together.

Whoever comes alone gains nothing from waiting a turn of the event loop for others, and pays for
it. Two requests together are enough to gather again, and only many alone in a row end that: so a
crowd is hardly ever kept apart.
"""

import asyncio

_RUNS = 64
LOOKED_AT = 8  # one in so many: to be called back when the turn is over costs a turn of its own


class Company:
    """Used on one event loop; until enough came alone, others are waited for."""

    __slots__ = ("_alone", "_is_amid", "_left", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left = _RUNS
        self._alone = 0
        self._is_amid = False

    def may_run(self) -> bool:
        """Whether a request that comes now need not wait for others. It is told here that it came,
        so that the next one in a turn of the loop that is looked at is known for company."""
        if self._is_amid:
            self._left = _RUNS
        return not self._left

    def ran_alone(self) -> None:
        """A request was run as it came."""
        self._alone += 1
        if self._alone == LOOKED_AT:
            self._alone = 0
            self._is_amid = True
            self._loop.call_soon(self._turned)

    def ran(self, requests: int) -> None:
        """So many were gathered and run together."""
        self._left = _RUNS if requests > 1 else max(self._left - 1, 0)

    def _turned(self) -> None:
        self._is_amid = False
