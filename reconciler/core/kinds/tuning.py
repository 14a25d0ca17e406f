"""How a version is run, as an engineer declares it in Git: instances, threads, batching, cache.

What passes here the runtime takes too: its own file has these fields under the same names.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from registry.core.canonical import Json
from registry.core.strict import Strict

_Count: TypeAlias = Annotated[int, Field(ge=1, le=1024)]
_Large: TypeAlias = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Queue(Strict):
    """How many requests may wait, and how long each; others are refused."""

    size: _Large | None = None
    timeout_milliseconds: _Large | None = None


class Batching(Strict):
    """Requests share runs of the engine, of `maxBatchSize` rows at most.

    The first waits up to `delayMicroseconds` for others, but not once one of `preferredSizes` is
    there. `priorities` has a queue for each priority, the highest first, in place of `queue`;
    a request that names none gets `defaultPriority`, else the lowest.
    """

    max_batch_size: _Large
    delay_microseconds: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    preferred_sizes: Annotated[list[_Large], Field(max_length=64)] = Field(default_factory=list)
    queue: Queue | None = None
    priorities: Annotated[list[Queue], Field(max_length=64)] = Field(default_factory=list)
    default_priority: Annotated[int, Field(ge=1, le=64)] | None = None

    @model_validator(mode="after")
    def _one_kind_of_queue(self) -> "Batching":
        if self.queue is not None and self.priorities:
            raise PydanticCustomError(
                "queue_twice",
                "queue and priorities are both there",
                {"at": ("queue",), "fix": "leave queue out: each priority has its own"},
            )
        return self

    @model_validator(mode="after")
    def _preferred_sizes_fit(self) -> "Batching":
        for index, size in enumerate(self.preferred_sizes):
            if size > self.max_batch_size:
                raise PydanticCustomError(
                    "preferred_size",
                    "the preferred size {size} is above maxBatchSize, {most}",
                    {
                        "size": str(size),
                        "most": str(self.max_batch_size),
                        "at": ("preferredSizes", index),
                        "fix": f"write a size from 1 to {self.max_batch_size}",
                    },
                )
        return self

    @model_validator(mode="after")
    def _default_priority_is_there(self) -> "Batching":
        if self.default_priority is None or self.default_priority <= len(self.priorities):
            return self
        there = len(self.priorities)
        raise PydanticCustomError(
            "default_priority",
            "defaultPriority is {level}, but the number of priorities is {there}",
            {
                "level": str(self.default_priority),
                "there": str(there),
                "at": ("defaultPriority",),
                "fix": f"write one from 1 to {there}" if there else "list priorities, or leave it",
            },
        )


class Cache(Strict):
    """Answers of so many bytes are kept for who asks the very same again."""

    bytes: Annotated[int, Field(ge=1, le=2**40)]


class Tuned(Strict):
    """`instances` runs at once, each on `threads` of the engine; without them what suits the
    machine. Without `batching` each request runs by itself, without `cache` each runs. With
    `weights: mapped` the weights of an ONNX version with external data are pages of its files,
    shared by all that serve it."""

    instances: _Count | None = None
    threads: _Count | None = None
    batching: Batching | None = None
    weights: Literal["mapped"] | None = None
    cache: Cache | None = None

    @property
    def tuning(self) -> dict[str, Json]:
        """What is declared of these, as the runtime's file has it."""
        return self.model_dump(
            include={"instances", "threads", "batching", "weights", "cache"},
            by_alias=True,
            exclude_none=True,
            exclude_defaults=True,
        )
