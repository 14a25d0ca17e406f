"""A version under other settings: opened once more beside what serves, and swapped in when ready.

The settings stand in the file from the moment at which they are in effect, so one that cannot be
opened with them serves on as it did, after a restart too, and its `successor` says why.
"""

import dataclasses
import logging

from registry import errors
from runtime.config import Pin
from runtime.table import Slot, State

_log = logging.getLogger("plimsoll.runtime")


def permitted(known: Pin, handed: Pin) -> Pin:
    """`known` under the permit just handed over; where there is none, under the old one."""
    if not handed.permit:
        return known
    return dataclasses.replace(known, deployment=handed.deployment, permit=handed.permit)


def settled(known: Pin, handed: Pin) -> Pin:
    """`handed` where `known` stands: as active, and permitted as that is."""
    under = permitted(known, handed)
    return dataclasses.replace(
        handed, active=known.active, deployment=under.deployment, permit=under.permit
    )


def is_same(one: Pin, other: Pin) -> bool:
    """Whether both are run in the same way, whoever asked for it."""
    return _settings(one) == _settings(other)


def is_due(slot: Slot, pin: Pin) -> bool:
    """Whether `pin` asks for what `slot` neither is nor is on its way to."""
    coming = slot.successor
    if coming is None:
        return not is_same(slot.pin, pin)
    return coming.state is not State.LOADING or not is_same(coming.pin, pin)


def taking_over(slot: Slot, coming: Slot, current: Slot | None) -> bool:
    """Whether `coming` is ready, and still what is wanted in `slot`'s place."""
    is_wanted = slot.successor is coming and current is slot
    return is_wanted and coming.state is State.AVAILABLE


def failed(coming: Slot, error: errors.PlimsollError) -> None:
    """It was ready and could not be written down."""
    coming.reason, coming.code = error.detail, error.code
    _log.error("settings not changed", extra={"model": coming.pin.model, "reason": error.detail})


def described(slot: Slot) -> dict[str, object] | None:
    """What is on its way to `slot`'s place, or did not get there; None where nothing is."""
    coming = slot.successor
    if coming is None:
        return None
    settings = {"isolation": coming.pin.isolation, **coming.pin.tuning.document()}
    return {"state": str(coming.state), "reason": coming.reason, "settings": settings}


def _settings(pin: Pin) -> Pin:
    return dataclasses.replace(pin, active=False, deployment="", permit="")
