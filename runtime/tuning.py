"""How a version is run, as an engineer declares it: instances, threads, batching, cache.

The fields stand in the runtime's file in `models[]`.
An unknown field, a wrong type or a value that contradicts another one names itself.
"""

from dataclasses import dataclass

from registry.core import fields
from registry.core.canonical import Json
from registry.errors import InvalidInput

_LONGEST_DELAY_MICROSECONDS = 10_000_000
_LARGEST = 2**40
TUNING_FIELDS = frozenset({"instances", "threads", "batching", "weights", "cache", "memoryBytes"})
WEIGHTS = ("copied", "mapped")
_BATCHING_FIELDS = frozenset(
    {"maxBatchSize", "delayMicroseconds", "preferredSizes", "queue", "priorities",
     "defaultPriority"}
)  # fmt: skip
_QUEUE_FIELDS = frozenset({"size", "timeoutMilliseconds"})
_CACHE_FIELDS = frozenset({"bytes"})


@dataclass(frozen=True, slots=True)
class Queue:
    """How many requests may wait, and how long each; None is: as many, as long as the runtime's
    own limits allow."""

    size: int | None = None
    timeout_milliseconds: int | None = None


@dataclass(frozen=True, slots=True)
class Batching:
    """Rows that may go through the engine together. `priorities` has a queue for each level, the
    highest first; `default_priority` counts from 1."""

    max_batch_size: int
    delay_microseconds: int = 0
    preferred_sizes: tuple[int, ...] = ()
    queue: Queue = Queue()
    priorities: tuple[Queue, ...] = ()
    default_priority: int = 0

    @property
    def levels(self) -> tuple[Queue, ...]:
        """The queue of each priority; without priorities there is one."""
        return self.priorities or (self.queue,)


@dataclass(frozen=True, slots=True)
class Tuning:
    """`instances` runs at once on `threads` each, None for what suits the machine. `weights` is one
    of WEIGHTS: a copy that the engine has packed, or the files' own pages. Answers of
    `cache_bytes` are kept for who asks the same again, 0 for none. In a process of its own the
    version may take `memory_bytes`, 0 for no limit but the system's."""

    instances: int | None = None
    threads: int | None = None
    batching: Batching | None = None
    weights: str = "copied"
    cache_bytes: int = 0
    memory_bytes: int = 0

    def document(self) -> dict[str, Json]:
        """What `parse` reads; what was not declared is left out."""
        found: dict[str, Json] = {}
        if self.instances is not None:
            found["instances"] = self.instances
        if self.threads is not None:
            found["threads"] = self.threads
        if self.batching is not None:
            found["batching"] = _batching_document(self.batching)
        if self.weights != "copied":
            found["weights"] = self.weights
        if self.cache_bytes:
            found["cache"] = {"bytes": self.cache_bytes}
        if self.memory_bytes:
            found["memoryBytes"] = self.memory_bytes
        return found


DEFAULT_TUNING = Tuning()


def parse(item: dict[str, Json], *, what: str) -> Tuning:
    """The fields of one entry of `models` that are told here; raises `InvalidInput`."""
    return Tuning(
        _optional(item, "instances", what),
        _optional(item, "threads", what),
        _batching(item, what) if item.get("batching") is not None else None,
        _weights(item, what),
        _cache(item, what) if item.get("cache") is not None else 0,
        _optional(item, "memoryBytes", what) or 0,
    )


def _weights(item: dict[str, Json], what: str) -> str:
    found = item.get("weights", "copied")
    if not isinstance(found, str) or found not in WEIGHTS:
        raise InvalidInput(f"{what}: 'weights' is {str(found)[:40]!r}", fix="use copied or mapped")
    if found == "mapped" and item.get("format") != "onnx":
        raise InvalidInput(
            f"{what}: 'weights' is 'mapped', which only ONNX versions can have",
            fix="leave it out",
        )
    return found


def _cache(item: dict[str, Json], what: str) -> int:
    given, where = fields.mapping(item, "cache", what=what), f"{what}: cache"
    fields.refuse_unknown(given, _CACHE_FIELDS, what=where)
    return _positive(given, "bytes", where)


def _batching(item: dict[str, Json], what: str) -> Batching:
    given, where = fields.mapping(item, "batching", what=what), f"{what}: batching"
    fields.refuse_unknown(given, _BATCHING_FIELDS, what=where)
    most = _positive(given, "maxBatchSize", where)
    delay = _whole(given, "delayMicroseconds", where) if "delayMicroseconds" in given else 0
    if delay > _LONGEST_DELAY_MICROSECONDS:
        raise InvalidInput(f"{where}: 'delayMicroseconds' is {delay}, over 10 seconds")
    if "queue" in given and "priorities" in given:
        raise InvalidInput(
            f"{where}: 'queue' and 'priorities' are both there",
            fix="with priorities each level has its own queue: leave 'queue' out",
        )
    queue = _queue(fields.mapping(given, "queue", what=where), f"{where}: queue") if (
        "queue" in given) else Queue()  # fmt: skip
    levels = tuple(
        _queue(level, f"{where}: priorities[{number}]")
        for number, level in enumerate(
            fields.objects(given, "priorities", what=where) if "priorities" in given else ()
        )
    )
    return Batching(
        most, delay, _preferred(given, most, where), queue, levels, _default(given, levels, where)
    )


def _preferred(given: dict[str, Json], most: int, where: str) -> tuple[int, ...]:
    sizes: list[int] = []
    for size in fields.sequence(given, "preferredSizes", what=where) if (
        "preferredSizes" in given) else ():  # fmt: skip
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= most:
            raise InvalidInput(
                f"{where}: 'preferredSizes' has {size!r}",
                fix=f"give whole numbers from 1 to maxBatchSize ({most})",
            )
        sizes.append(size)
    return tuple(sorted(set(sizes)))


def _default(given: dict[str, Json], levels: tuple[Queue, ...], where: str) -> int:
    """Who names no priority waits behind those who do, unless the file says otherwise."""
    if "defaultPriority" not in given:
        return len(levels)
    level = _whole(given, "defaultPriority", where)
    if not 1 <= level <= len(levels):
        raise InvalidInput(
            f"{where}: 'defaultPriority' is {level}, there are {len(levels)} priorities"
        )
    return level


def _queue(given: dict[str, Json], where: str) -> Queue:
    fields.refuse_unknown(given, _QUEUE_FIELDS, what=where)
    return Queue(*(_optional(given, name, where) for name in ("size", "timeoutMilliseconds")))


def _optional(given: dict[str, Json], name: str, where: str) -> int | None:
    return None if given.get(name) is None else _positive(given, name, where)


def _positive(given: dict[str, Json], name: str, where: str) -> int:
    found = _whole(given, name, where)
    if found == 0:
        raise InvalidInput(f"{where}: {name!r} must be above zero, found 0")
    return found


def _whole(given: dict[str, Json], name: str, where: str) -> int:
    found = fields.integer(given, name, what=where)
    if not 0 <= found <= _LARGEST:
        raise InvalidInput(f"{where}: {name!r} is {found}, must be from 0 to 2^40")
    return found


def _batching_document(batching: Batching) -> dict[str, Json]:
    found: dict[str, Json] = {"maxBatchSize": batching.max_batch_size}
    if batching.delay_microseconds:
        found["delayMicroseconds"] = batching.delay_microseconds
    if batching.preferred_sizes:
        found["preferredSizes"] = list(batching.preferred_sizes)
    if batching.queue != Queue():
        found["queue"] = _queue_document(batching.queue)
    if batching.priorities:
        found["priorities"] = [_queue_document(level) for level in batching.priorities]
        found["defaultPriority"] = batching.default_priority
    return found


def _queue_document(queue: Queue) -> dict[str, Json]:
    found: dict[str, Json] = {}
    if queue.size is not None:
        found["size"] = queue.size
    if queue.timeout_milliseconds is not None:
        found["timeoutMilliseconds"] = queue.timeout_milliseconds
    return found
