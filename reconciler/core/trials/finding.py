"""What one check found. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from registry.core.canonical import Json


@dataclass(frozen=True, slots=True)
class Finding:
    """`reasons` against the candidate, none where the check holds; `metrics` for the evidence."""

    check: str
    reasons: tuple[str, ...]
    metrics: dict[str, Json]


def together(check: str, parts: Iterable[Finding]) -> Finding:
    """All `parts` as one finding of `check`."""
    reasons: list[str] = []
    metrics: dict[str, Json] = {}
    for part in parts:
        reasons += part.reasons
        metrics |= part.metrics
    return Finding(check, tuple(reasons), metrics)
