"""One version's answers, kept for who asks the very same again; in front of its scheduler.

Each version has a cache of its own that is gone with it, so no answer outlives the bytes that gave
it. What is kept is copied: an answer can be a row of a batch, which would be kept whole. A key is
SHA-256 over call, wanted outputs, and every input's name, type, shape and bytes.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from runtime.backends.protocol import Array
from runtime.inference import form
from runtime.inference.asked import Asked, Observer, Outcome, Times
from runtime.inference.chain import Chain
from runtime.inference.scheduler import Scheduler
from runtime.inference.statistics import Statistics
from runtime.tuning import Tuning

if TYPE_CHECKING:
    from hashlib import _Hash

# Key, entry, array: what Python takes for one of each, about.
_ENTRY_BYTES = 500
_ARRAY_BYTES = 150
_STRING_BYTES = 40
# Hashing more than this on the event loop would be felt by others.
_LARGE = 1 << 20


class Cached:
    """A scheduler that answers from memory what it can. Used on the event loop only."""

    def __init__(
        self, scheduler: Scheduler | Chain, limit: int, observers: Sequence[Observer] = ()
    ) -> None:
        self._scheduler = scheduler
        self._observers: tuple[Observer, ...] = (scheduler.statistics, *observers)
        self.store = Store(limit)

    @property
    def statistics(self) -> Statistics:
        """See `Scheduler`."""
        return self._scheduler.statistics

    @property
    def pending(self) -> int:
        """See `Scheduler`."""
        return self._scheduler.pending

    async def infer(self, asked: Asked) -> Outcome:
        """See `Scheduler.infer`; of an answer that was kept `batch` is 0."""
        started = time.perf_counter_ns()
        if form.size(asked.inputs) > _LARGE:
            key = await asyncio.to_thread(key_of, asked)
        else:
            key = key_of(asked)
        kept = self.store.get(key)
        spent = time.perf_counter_ns() - started
        if kept is not None:
            outcome = Outcome(dict(kept), Times(0, 0, spent, 0), 0)
            for observer in self._observers:
                observer.inferred(asked, outcome)
            return outcome
        self.statistics.missed(spent)
        outcome = await self._scheduler.infer(asked)
        self.store.put(key, outcome.outputs)
        return outcome

    @property
    def behind(self) -> Scheduler | Chain:
        """What is asked for answers that are not kept."""
        return self._scheduler

    async def drained(self) -> None:
        """See `Scheduler.drained`."""
        await self._scheduler.drained()

    def close(self) -> None:
        """See `Scheduler.close`."""
        self._scheduler.close()
        self.store.clear()


# Whatever a version's requests go to.
Runs: TypeAlias = Scheduler | Chain | Cached


def kept(scheduler: Scheduler | Chain, tuning: Tuning, observers: Sequence[Observer]) -> Runs:
    """The scheduler, with a cache in front where one is declared."""
    if tuning.cache_bytes:
        return Cached(scheduler, tuning.cache_bytes, observers)
    return scheduler


class Store:
    """Answers by key, `limit` bytes of them at most; who was not asked for longest goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[bytes, tuple[int, dict[str, Array]]] = OrderedDict()
        self.bytes = 0

    @property
    def held(self) -> tuple[int, int]:
        """How many answers, and how many bytes."""
        return len(self._kept), self.bytes

    def get(self, key: bytes) -> dict[str, Array] | None:
        """The outputs, which nobody can write to; None where there are none."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: bytes, outputs: dict[str, Array]) -> None:
        """Keep a copy, and let go of as much as it takes; what is larger than all is not kept."""
        size = _ENTRY_BYTES + sum(map(_size, outputs.values()))
        if size > self._limit or key in self._kept:
            return
        while self.bytes + size > self._limit:
            _, (freed, _) = self._kept.popitem(last=False)
            self.bytes -= freed
        self._kept[key] = size, {name: _copied(array) for name, array in outputs.items()}
        self.bytes += size

    def clear(self) -> None:
        """Let go of everything."""
        self._kept.clear()
        self.bytes = 0


def key_of(asked: Asked) -> bytes:
    """Equal for requests that must get equal answers, and for no others: what is hashed could
    be read back, as every part of it is preceded by its length."""
    hasher = hashlib.sha256()
    heads = [(name, array.dtype.str, array.shape) for name, array in sorted(asked.inputs.items())]
    head = repr((asked.call, asked.outputs, heads)).encode()
    hasher.update(len(head).to_bytes(8, "big") + head)
    for name, *_ in heads:
        _hash(hasher, asked.inputs[name])
    return hasher.digest()


def _hash(hasher: "_Hash", array: Array) -> None:
    """Types and shapes of fixed width were hashed; strings bring their lengths."""
    if array.dtype == np.object_:
        items = [bytes(item) for item in array.flat]
        hasher.update(b"".join(len(item).to_bytes(8, "big") for item in items))
        hasher.update(b"".join(items))
    elif array.size:
        hasher.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _size(array: Array) -> int:
    if array.dtype == np.object_:
        return _ARRAY_BYTES + sum(_STRING_BYTES + len(item) for item in array.flat) + array.nbytes
    return _ARRAY_BYTES + array.nbytes


def _copied(array: Array) -> Array:
    found = np.array(array, copy=True, order="C")
    found.flags.writeable = False
    return found
