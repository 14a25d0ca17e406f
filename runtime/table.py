"""Which versions are here, in which state, and which one answers for its model.

Touched by the event loop only, so every change is atomic for every request and nothing locks.
"""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from registry import errors
from runtime.backends.protocol import Backend
from runtime.cache import Copy
from runtime.config import Pin


class State(StrEnum):
    """The life of a version in this process."""

    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    REFUSED = "REFUSED"
    END = "END"


@dataclass(slots=True, eq=False, weakref_slot=True)
class Slot:
    """One version. `backend` and `copy` are set while it is AVAILABLE or drains after that.

    `check` and `code` say which check refused it, and with which error.
    """

    pin: Pin
    state: State = State.LOADING
    reason: str = ""
    check: str = ""
    code: str = ""
    backend: Backend | None = None
    copy: Copy | None = None
    in_flight: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __post_init__(self) -> None:
        self.headers = (
            (b"plimsoll-version", str(self.pin.version).encode()),
            (b"plimsoll-digest", self.pin.digest.encode()),
        )

    def enter(self) -> None:
        """A request starts to use the backend."""
        self.in_flight += 1

    def leave(self) -> None:
        """A request is done with the backend."""
        self.in_flight -= 1
        if self.in_flight == 0 and self.state is State.END:
            self.idle.set()

    async def drained(self) -> None:
        """Returns once no request uses an ended slot any more."""
        if self.in_flight:
            await self.idle.wait()


class Table:
    """Slots by model and version, and for each model at most one active version."""

    def __init__(self) -> None:
        self._slots: dict[tuple[str, int], Slot] = {}
        self._active: dict[str, int] = {}

    def slots(self) -> list[Slot]:
        """All of them, by model and version."""
        return [self._slots[key] for key in sorted(self._slots)]

    def versions(self, model: str) -> list[Slot]:
        """The slots of one model, by version."""
        return [slot for slot in self.slots() if slot.pin.model == model]

    def get(self, model: str, version: int) -> Slot | None:
        return self._slots.get((model, version))

    def is_active(self, slot: Slot) -> bool:
        return self._active.get(slot.pin.model) == slot.pin.version

    def active(self, model: str) -> Slot | None:
        """What answers requests that name no version; it may still be loading, or refused."""
        version = self._active.get(model)
        return None if version is None else self._slots.get((model, version))

    def find(self, model: str, version: int | None, label: str | None, *, preview: bool) -> Slot:
        """Who answers: raises `NotFound`, `Unavailable` on its way up, `InvalidInput` for a label.

        To clients a version that is not active does not exist, as it may not be accepted yet;
        `preview` shows those too.
        """
        if label is not None:
            raise errors.InvalidInput(f"{model} has no label {label!r}")
        slot = self.active(model) if version is None else self.get(model, version)
        if slot is None or not (preview or self.is_active(slot)):
            raise errors.NotFound(f"{_named(model, version)} is not served here")
        if slot.state is State.LOADING:
            said = f"{model}@{slot.pin.version} is loading. {slot.reason}"
            raise errors.Unavailable(said.strip())
        if slot.backend is None or slot.state is not State.AVAILABLE:
            raise errors.NotFound(f"{_named(model, version)} is not served here")
        return slot

    def put(self, slot: Slot) -> None:
        """Add a slot; where its pin says active and nothing else is, it is that at once."""
        self._slots[slot.pin.model, slot.pin.version] = slot
        if slot.pin.active:
            self._active[slot.pin.model] = slot.pin.version

    def activate(self, model: str, version: int) -> None:
        """The swap: the next request that names no version gets this one."""
        self._active[model] = version

    def deactivate(self, model: str) -> None:
        """Requests that name no version find nothing from now on."""
        self._active.pop(model, None)

    def remove(self, slot: Slot) -> None:
        """Hide a slot from new requests; who holds it may finish."""
        key = slot.pin.model, slot.pin.version
        if self._slots.get(key) is slot:
            del self._slots[key]
            if self.is_active(slot):
                self.deactivate(slot.pin.model)
        slot.state = State.END

    def require(self, model: str, version: int) -> Slot:
        """The slot; raises `NotFound`."""
        slot = self.get(model, version)
        if slot is None:
            raise errors.NotFound(
                f"{model}@{version} is not here",
                fix=f"load it with PUT /plimsoll/models/{model}/versions/{version}",
            )
        return slot


def _named(model: str, version: int | None) -> str:
    return model if version is None else f"{model}@{version}"
