"""Triton's load and unload of whole models, for whoever has process mode's token.

Loading brings up every version that is pinned here; unloading takes them down until they are
loaded again or the process starts anew. What is pinned, and under which digest, stays so.
"""

import asyncio

from registry import errors
from runtime.config import Pin
from runtime.serving import Serving
from runtime.table import Slot, State

_POLL_SECONDS = 0.02


async def begin(serving: Serving, pins: tuple[Pin, ...], model: str) -> None:
    """Start on what is not up; raises `NotFound` where nothing is pinned."""
    wanted = [pin for pin in pins if pin.model == model]
    if not wanted:
        raise errors.NotFound(f"failed to load '{model}': no version of it is pinned here")
    for pin in wanted:
        slot = serving.table.get(model, pin.version)
        if slot is not None and slot.state is State.REFUSED:
            await serving.end(slot)
            slot = None
        if slot is None:
            serving.begin(pin)


async def ready(serving: Serving, model: str) -> Slot:
    """The newest version, once all are either ready or refused.

    Raises `Conflict` where none is ready, and `WaitTimedOut`.
    """
    slots = serving.table.versions(model)
    try:
        async with asyncio.timeout(serving.limits.deadline_seconds):
            while any(slot.state is State.LOADING for slot in slots):  # noqa: ASYNC110  no event
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise errors.WaitTimedOut(f"failed to load '{model}' in time: {_reasons(slots)}") from error
    found = [slot for slot in slots if slot.state is State.AVAILABLE]
    if not found:
        raise errors.Conflict(f"failed to load '{model}': {_reasons(slots)}")
    return found[-1]


async def end(serving: Serving, model: str) -> None:
    """Returns once requests are finished and memory is given back."""
    await asyncio.gather(*map(serving.end, serving.table.versions(model)))


def _reasons(slots: list[Slot]) -> str:
    return "; ".join(f"version {slot.pin.version}: {slot.reason or slot.state}" for slot in slots)
