"""What the registry says of an alias or a range just now; its word, and nothing verified yet."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that is ready in the format that is asked for."""

    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Found:
    """At least one, the newest first; `moved` is where the log has an alias's last move."""

    candidates: tuple[Candidate, ...]
    moved: int = 0


@dataclass(frozen=True, slots=True)
class Missing:
    """There is nothing to follow, and why."""

    reason: str


Resolved: TypeAlias = Found | Missing
