"""Which versions are here, in which state, who sees them, and which one answers for its model.

Touched by the event loop only, so every change is atomic for every request and nothing locks.
"""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from registry import errors
from runtime.backends.protocol import Offered
from runtime.cache import Copy
from runtime.config import Pin
from runtime.inference.cached import Runs
from runtime.policy import Active, All, Latest, Policy, Specific
from runtime.progress import Progress


class State(StrEnum):
    """The life of a version in this process."""

    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    REFUSED = "REFUSED"
    END = "END"


_AVAILABLE = State.AVAILABLE  # to look it up there costs as much as a call


@dataclass(slots=True, eq=False, weakref_slot=True)
class Slot:
    """One version. `backend`, `scheduler` and `copy` are set while it is AVAILABLE or drains.

    `check` and `code` say which check refused it, and with which error; `discarded` begins each
    `reason` to wait once a copy that was here was not what it should be. `successor` is the same
    version under other settings, on its way to this place.
    """

    pin: Pin
    state: State = State.LOADING
    reason: str = ""
    check: str = ""
    code: str = ""
    discarded: str = ""
    backend: Offered | None = None
    scheduler: Runs | None = None
    copy: Copy | None = None
    progress: Progress = field(default_factory=Progress)
    in_flight: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    successor: "Slot | None" = None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __post_init__(self) -> None:
        self.headers = (
            (b"plimsoll-version", str(self.pin.version).encode()),
            (b"plimsoll-digest", self.pin.digest.encode()),
        )

    @property
    def trouble(self) -> str:
        """Why it does not answer at present although it is loaded; empty while it does."""
        return "" if self.backend is None else self.backend.trouble

    def enter(self) -> None:
        """A request starts to use the backend."""
        self.in_flight += 1

    def leave(self) -> None:
        """A request is done with the backend."""
        self.in_flight -= 1
        if self.in_flight == 0 and self.state is State.END:
            self.idle.set()

    def give_back(self) -> None:
        """Free the memory, and let the cache evict the files; may block. What is loaded while it
        is unloaded may come here twice."""
        backend, self.backend = self.backend, None
        if backend is not None:
            backend.close()
        copy, self.copy = self.copy, None
        if copy is not None:
            copy.lease.close()

    async def drained(self) -> None:
        """Returns once no request uses an ended slot any more."""
        if self.in_flight:
            await self.idle.wait()
        if self.scheduler is not None:
            await self.scheduler.drained()


class Table:
    """Slots by model and version, and for each model at most one active version and a policy.

    `_held` has, by model and label, the version that the label last led to while it was ready: a
    label that is to move holds on to it until the new one is.
    """

    def __init__(self) -> None:
        self._slots: dict[tuple[str, int], Slot] = {}
        self._active: dict[str, int] = {}
        self._policies: dict[str, Policy] = {}
        self._held: dict[tuple[str, str], int] = {}

    def slots(self) -> list[Slot]:
        """All of them, by model and version."""
        return [self._slots[key] for key in sorted(self._slots)]

    def requests(self) -> int:
        """How many inferences the versions that are here have had, of all models."""
        runs = [slot.scheduler for slot in self._slots.values() if slot.scheduler is not None]
        return sum(one.statistics.requests for one in runs)

    def versions(self, model: str) -> list[Slot]:
        """The slots of one model, by version."""
        return [slot for slot in self.slots() if slot.pin.model == model]

    def get(self, model: str, version: int) -> Slot | None:
        return self._slots.get((model, version))

    def is_active(self, slot: Slot) -> bool:
        return self._active.get(slot.pin.model) == slot.pin.version

    def active(self, model: str) -> Slot | None:
        """What answers requests that name no version; it may still be loading, or refused.

        Where a policy shows several and none was made active it is the highest of them, as in
        TensorFlow Serving: of those that are ready, or else of those on their way.
        """
        version = self._active.get(model)
        if version is not None:
            return self._slots.get((model, version))
        if isinstance(self.policy(model).versions, Active):
            return None
        seen = [slot for slot in self.versions(model) if self.is_visible(slot)]
        ready = [slot for slot in seen if slot.state is State.AVAILABLE]
        waiting = [slot for slot in self.versions(model) if slot.state is State.LOADING]
        return next(iter((ready or seen or waiting)[::-1]), None)

    def find(self, model: str, version: int | None, label: str | None, *, preview: bool) -> Slot:
        """Who answers: raises `NotFound`, `Unavailable` on its way up, `InvalidInput` for a label.

        To clients a version that neither is active nor has a label nor is named by the policy
        does not exist, as it may not be accepted yet; `preview` shows those too.
        """
        slot = (
            self._labelled(model, label) if label is not None
            else self.active(model) if version is None
            else self.get(model, version)
        )  # fmt: skip
        is_shown = version is None or preview or (slot is not None and self.is_visible(slot))
        if slot is not None and slot.state is _AVAILABLE and slot.backend is not None and is_shown:
            return slot
        if slot is not None and slot.state is State.LOADING and is_shown:
            said = f"{model}@{slot.pin.version} is loading. {slot.reason}"
            raise errors.Unavailable(said.strip())
        raise errors.NotFound(f"{_named(model, version)} is not served here")

    def policy(self, model: str) -> Policy:
        return self._policies.get(model, Policy())

    def policies(self) -> dict[str, Policy]:
        """Those that were declared, by model."""
        return dict(self._policies)

    def set_policy(self, model: str, policy: Policy) -> list[Slot]:
        """From now on. A label in use moves only to a version that is ready, so it may wait.

        Returns what `settle` does.
        """
        if policy == Policy():
            self._policies.pop(model, None)
        else:
            self._policies[model] = policy
        for name, label in list(self._held):
            if name == model and label not in policy.labels:
                del self._held[name, label]
        return self.settle(model)

    def settle(self, model: str) -> list[Slot]:
        """A version became ready, or the policy is another: labels move where they can.

        Returns the slots that nobody has a use for now. A candidate above the newest that is
        ready is left alone, and so is whatever is still on its way.
        """
        for label, version in self.policy(model).labels.items():
            slot = self.get(model, version)
            if slot is not None and slot.state is State.AVAILABLE:
                self._held[model, label] = version
        match self.policy(model).versions:
            case Latest():
                newest = max(self._newest(model), default=0)
                return [slot for slot in self.versions(model)
                        if slot.pin.version < newest and slot.state is not State.LOADING
                        and not self.is_visible(slot)]  # fmt: skip
            case Active() | All() | Specific():
                return []

    def labels(self, model: str) -> dict[str, int | None]:
        """The version that each label leads to now; None where it leads nowhere yet."""
        return {label: self._held.get((model, label)) for label in self.policy(model).labels}

    def is_visible(self, slot: Slot) -> bool:
        """Whether clients may reach it by its number."""
        model, version = slot.pin.model, slot.pin.version
        if self.is_active(slot) or version in self.labels(model).values():
            return True
        match self.policy(model).versions:
            case Active():
                return False
            case All():
                return True
            case Latest(count):
                return version in self._newest(model)[:count]
            case Specific(versions):
                return version in versions

    def _newest(self, model: str) -> list[int]:
        """The numbers that are ready, highest first."""
        found = [slot.pin.version for slot in self.versions(model)
                 if slot.state is State.AVAILABLE]  # fmt: skip
        return found[::-1]

    def _labelled(self, model: str, label: str) -> Slot | None:
        wanted = self.policy(model).labels.get(label)
        if wanted is None:
            raise errors.InvalidInput(f"{model} has no label {label!r}")
        version = self._held.get((model, label))
        slot = None if version is None else self.get(model, version)
        if slot is None:
            slot = self.get(model, wanted)
        if slot is None:
            raise errors.Unavailable(f"label {label!r} waits for {model}@{wanted}")
        return slot

    def put(self, slot: Slot) -> None:
        """Add a slot; where its pin says active and nothing else is, it is that at once."""
        self._slots[slot.pin.model, slot.pin.version] = slot
        if slot.pin.active:
            self._active[slot.pin.model] = slot.pin.version

    def replace(self, slot: Slot, successor: Slot) -> None:
        """The next request for this version gets the successor; active stays what is active."""
        slot.successor = None
        self._slots[slot.pin.model, slot.pin.version] = successor

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
            self._held = {at: version for at, version in self._held.items()
                          if (at[0], version) != key}  # fmt: skip
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
