"""What a transport and the methods agree on: bytes in, bytes or an end out.

It knows neither HTTP/2 nor protobuf.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum


class Code(IntEnum):
    """https://grpc.io/docs/guides/status-codes/"""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ends that is not answered, or not answered further."""

    code: Code
    text: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls. `ends` is when the client stops waiting, by the monotonic clock."""

    headers: Mapping[bytes, bytes]
    ends: float | None

    def seconds(self) -> float | None:
        """What is left, never less than a moment; None for as long as it takes."""
        return None if self.ends is None else max(self.ends - time.monotonic(), 0.001)


@dataclass(frozen=True, slots=True)
class Unary:
    """One message, one answer. `answer` never raises."""

    answer: Callable[[Call, bytes], Awaitable[bytes | Ending]]


@dataclass(frozen=True, slots=True)
class Streaming:
    """Messages as they come, answers as they are ready. `answer` never raises, and what it gives
    behind an `Ending` is not sent."""

    answer: Callable[[Call, AsyncIterator[bytes]], AsyncGenerator[bytes | Ending, None]]


Find = Callable[[bytes], Unary | Streaming | None]
