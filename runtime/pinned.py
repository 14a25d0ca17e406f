"""The versions that the configuration file lists, and what a change makes of them. Pure."""

import dataclasses

from runtime.config import Pin

Pins = tuple[Pin, ...]


def find(models: Pins, model: str, version: int) -> Pin | None:
    """That version as it stands in the file, whether it is up or not."""
    return next((pin for pin in models if (pin.model, pin.version) == (model, version)), None)


def changed(models: Pins, wanted: Pin) -> Pins:
    """`wanted` where that version stands, as active as the file has it."""
    return tuple(
        dataclasses.replace(wanted, active=pin.active)
        if (pin.model, pin.version) == (wanted.model, wanted.version)
        else pin
        for pin in models
    )


def without(models: Pins, model: str, version: int) -> Pins:
    """All but that one."""
    return tuple(pin for pin in models if (pin.model, pin.version) != (model, version))


def with_active(models: Pins, model: str, *, version: int | None) -> Pins:
    """One version of the model is active, or none."""
    return tuple(
        dataclasses.replace(pin, active=pin.version == version) if pin.model == model else pin
        for pin in models
    )
