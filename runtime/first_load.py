"""The first seconds of a process: requests for models wait while they are loaded.

A process that is started again on a host that has no other would refuse its clients for the
second that loading takes, though nothing is wrong. Nobody waits for what cannot be loaded now.
What no first answer needs is imported afterwards, before somebody asks for it.
"""

import asyncio
import importlib
import threading
from collections.abc import Sequence

from runtime import priority
from runtime.table import Slot, State

# Explanations and the pages of metrics: imported where they are used, if that is sooner.
_LATER = ("runtime.exposition", "runtime.protocols.explanations", "runtime.explaining.desk")

_LONGEST_SECONDS = 10.0
_LOOK_SECONDS = 0.01


class FirstLoad:
    """Of `slots`, from now on. Made and used on the event loop."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = slots
        self._end = asyncio.get_running_loop().time() + _LONGEST_SECONDS

    def is_over(self) -> bool:
        """Whether all are in service or have a reason not to be, or it lasts too long."""
        under_way = any(slot.state is State.LOADING and not slot.reason for slot in self._slots)
        return not under_way or asyncio.get_running_loop().time() >= self._end

    async def wait(self) -> None:
        """Until it is over."""
        await asyncio.sleep(0)  # what waits has to be a task
        while not self.is_over():  # noqa: ASYNC110  no event
            await asyncio.sleep(_LOOK_SECONDS)

    async def then_import_the_rest(self) -> None:
        """Once it is over, on a thread that stands back."""
        await self.wait()
        threading.Thread(target=_import_the_rest, name="rest", daemon=True).start()


def _import_the_rest() -> None:
    priority.stand_back()
    for name in _LATER:
        importlib.import_module(name)
