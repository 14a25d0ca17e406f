"""Simulated users of two variants, and tests that are looked at after every single one of them.

Evidence changes when a block of both variants is closed. In between a look finds what the one
before found, so users are handed over block by block, which is the same and takes less time.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reconciler.core.experiments import evidence, ratio
from reconciler.core.experiments.evidence import Design, Evidence, Sums

_CONFIDENT, _POWERFUL = 1.959964, 0.841621  # two-sided 5 %, and 80 % power
_FIRST_LOOK = 20  # of the naive test: before, a normal distribution says nothing

Flags = NDArray[np.bool_]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Users:
    """In the order in which they came: who got the treatment, and what they did."""

    treated: Flags
    values: Values


def drawn(
    rng: np.random.Generator, rates: tuple[float, float], count: int, part: float = 0.5
) -> Users:
    """So many, who say yes at the control's rate and at the treatment's."""
    treated = rng.random(count) < part
    hits = rng.random(count) < np.where(treated, rates[1], rates[0])
    return Users(treated, hits.astype(np.float64))


def blocks(users: Users) -> Iterator[tuple[int, Sums, Sums]]:
    """After how many users each block is closed; what it has of the control and the treatment."""
    ours = np.concatenate([[0], np.cumsum(users.treated)])
    theirs = np.arange(len(ours)) - ours
    squares = users.values**2
    sums = [
        np.concatenate([[0.0], np.cumsum(one)])
        for one in (
            users.values * ~users.treated,
            squares * ~users.treated,
            users.values * users.treated,
            squares * users.treated,
        )
    ]
    start = 0
    while True:
        wanted = ours[start] + evidence.BLOCK, theirs[start] + evidence.BLOCK
        end = int(max(np.searchsorted(ours, wanted[0]), np.searchsorted(theirs, wanted[1])))
        if end >= len(ours):
            return
        one, two, three, four = (float(each[end] - each[start]) for each in sums)
        yield (
            end,
            Sums(float(theirs[end] - theirs[start]), one, two),
            Sums(float(ours[end] - ours[start]), three, four),
        )
        start = end


def sure_after(design: Design, users: Users, difference: float = 0.0) -> int | None:
    """After how many users the test is sure that the difference is another one."""
    seen = Evidence()
    for count, control, treatment in blocks(users):
        seen = evidence.after(design, seen, control, treatment)
        if evidence.against(design, seen, difference) >= design.threshold:
            return count
    return None


def naively_sure_after(users: Users) -> int | None:
    """The same of a z-test at 5 % that takes no notice of being looked at."""
    ours, count = np.cumsum(users.treated), np.arange(1, len(users.values) + 1)
    hits, all_hits = np.cumsum(users.values * users.treated), np.cumsum(users.values)
    theirs = count - ours
    with np.errstate(all="ignore"):
        pooled = all_hits / count
        spread = np.sqrt(pooled * (1 - pooled) * (1 / ours + 1 / theirs))
        score = np.abs(hits / ours - (all_hits - hits) / theirs) / spread
    found = np.flatnonzero((score > _CONFIDENT) & (np.minimum(ours, theirs) >= _FIRST_LOOK))
    return int(found[0]) + 1 if found.size else None


def fixed_size(rates: tuple[float, float]) -> int:
    """How many users of both variants a z-test at 5 % with one look needs for 80 % power."""
    middle, gap = sum(rates) / 2, rates[1] - rates[0]
    return math.ceil(4 * (_CONFIDENT + _POWERFUL) ** 2 * middle * (1 - middle) / gap**2)


def mismatched_after(users: Users, limits: NDArray[np.int64]) -> int | None:
    """After how many users the test of their ratio raises the alarm; `limits` are `alarms`."""
    ours, count = np.cumsum(users.treated), np.arange(len(users.treated))
    found = np.flatnonzero((ours < limits[count, 0]) | (ours > limits[count, 1]))
    return int(found[0]) + 1 if found.size else None


def alarms(count: int, part: float, alpha: float) -> NDArray[np.int64]:
    """For each number of users, how many with the treatment are the fewest and the most without
    alarm."""
    rows, low, high = [], 0, 0
    for total in range(1, count + 1):
        while low < total and _is_wrong(total, low, part, alpha):
            low += 1
        high = max(high, low)
        while high < total and not _is_wrong(total, high + 1, part, alpha):
            high += 1
        rows.append((low, high))
    return np.array(rows)


def _is_wrong(total: int, treated: int, part: float, alpha: float) -> bool:
    is_beside = treated / total != part
    return is_beside and ratio.against(total - treated, treated, part) >= -math.log(alpha)
