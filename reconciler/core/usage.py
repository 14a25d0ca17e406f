"""What a host has, and what the instances on it hold of that: plain values, and rates from them.

Engines count processor time since an instance began; how much it takes now is the difference
between two looks. What no engine can tell is None, never zero. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one instance: bytes that it holds and may hold, cores that it may take, and the seconds of
    processor time that it has taken since it began."""

    memory_bytes: int | None = None
    cpu_seconds: float | None = None
    memory_limit: int | None = None
    cpu_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """Of one host: bytes and cores that there are, and what is used by instance, or by all of them
    `together` where they share a process. `unknown` says why something cannot be told."""

    memory_bytes: int | None = None
    cpus: float | None = None
    used: Mapping[str, Usage] = field(default_factory=dict)
    together: Usage | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """At `at`, a time of one clock, so many seconds of processor time had been taken."""

    at: float
    seconds: float


def cores(before: Taken | None, now: Taken | None) -> float | None:
    """How many cores were busy between two looks; None for what only one look has seen, also
    because it began anew in between."""
    if before is None or now is None or now.at <= before.at or now.seconds < before.seconds:
        return None
    return (now.seconds - before.seconds) / (now.at - before.at)
