"""Does the candidate fail more often than stable? A test that may be looked at at any time. Pure.

What came between two looks is a block. For each block there is an E-variable, which no pair of
rates with candidate <= stable can make large on average (Turner, Ly and Grünwald 2024, "Generic
E-variables for exact sequential k-sample tests", theorem 1); the alternative that it bets on is
what the blocks before have taught. Their product therefore ever reaches 1/p with a chance of p at
most (Ville 1939): exactly, for any number of looks and any sizes of blocks, as long as sizes are
not chosen by what failed. Peeking raises no false alarms.

It takes requests to fail independently of each other. Where errors come in bursts, it is too sure.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from registry.core import fields
from registry.core.canonical import Json

# Krichevsky and Trofimov's estimate: never 0 or 1, and soon forgotten.
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Arm:
    """So many of so many failed."""

    errors: int = 0
    requests: int = 0

    @property
    def estimate(self) -> float:
        """The rate, drawn a little towards the middle."""
        return (self.errors + _HALF) / (self.requests + 1)

    def plus(self, more: "Arm") -> "Arm":
        """Both together."""
        return Arm(self.errors + more.errors, self.requests + more.requests)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was seen; `now` is the logarithm of the product, `most` the highest it ever was."""

    candidate: Arm = Arm()
    stable: Arm = Arm()
    now: float = 0.0
    most: float = 0.0

    @property
    def p_value(self) -> float:
        """Valid whenever one looks; it never rises."""
        return min(1.0, math.exp(-self.most))

    def document(self) -> dict[str, Json]:
        """What `read` reads."""
        return {
            "candidate": [self.candidate.errors, self.candidate.requests],
            "stable": [self.stable.errors, self.stable.requests],
            "now": self.now,
            "most": self.most,
        }


def read(source: Json) -> Evidence:
    """What `Evidence.document` wrote; for anything else nothing was seen."""
    if not isinstance(source, dict):
        return Evidence()
    now, most = fields.finite(source.get("now")), fields.finite(source.get("most"))
    if now is None or most is None:
        return Evidence()
    return Evidence(_arm(source, "candidate"), _arm(source, "stable"), now, most)


def after(seen: Evidence, candidate: Arm, stable: Arm) -> Evidence:
    """With the block that came since; a block without both arms teaches, and weighs nothing."""
    now = seen.now + _weight(seen, candidate, stable)
    return Evidence(
        seen.candidate.plus(candidate), seen.stable.plus(stable), now, max(seen.most, now)
    )


def _weight(seen: Evidence, candidate: Arm, stable: Arm) -> float:
    """The logarithm of the block's E-variable; 0 while there is nothing to bet on."""
    both = candidate.requests + stable.requests
    bad, good = seen.candidate.estimate, seen.stable.estimate
    if bad <= good or not candidate.requests or not stable.requests:
        return 0.0
    mixed = (candidate.requests * bad + stable.requests * good) / both
    return _likelihood(candidate, bad, mixed) + _likelihood(stable, good, mixed)


def _likelihood(arm: Arm, rate: float, mixed: float) -> float:
    passed = arm.requests - arm.errors
    return arm.errors * math.log(rate / mixed) + passed * math.log((1 - rate) / (1 - mixed))


def _arm(source: Mapping[str, Json], name: str) -> Arm:
    match source.get(name):
        case [int() as errors, int() as requests]:
            return Arm(errors, requests)
        case _:
            return Arm()
