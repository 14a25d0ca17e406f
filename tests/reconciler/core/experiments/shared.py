"""Simulated users, and the test that is looked at after every one of them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reconciler.core.experiments import evidence
from reconciler.core.experiments.evidence import Design, Evidence, Sums

BLOCK = 10


def blocks(
    is_treated: NDArray[np.bool_], values: NDArray[np.float64]
) -> Iterator[tuple[int, Sums, Sums]]:
    """What came between the looks at which the evidence changes: in all the others it is only put
    aside. After how many users, the control's, and the treatment's."""
    start, seen = 0, np.cumsum(is_treated)
    while start < len(values):
        before = seen[start - 1] if start else 0
        ours, theirs = before + BLOCK, start - before + BLOCK
        end = max(
            np.searchsorted(seen, ours), np.searchsorted(np.arange(1, len(seen) + 1) - seen, theirs)
        )
        if end >= len(values):
            return
        part, mask = values[start : end + 1], is_treated[start : end + 1]
        yield end + 1, sums(part[~mask]), sums(part[mask])
        start = int(end) + 1


def sums(values: NDArray[np.float64]) -> Sums:
    return Sums(len(values), float(values.sum()), float((values**2).sum()))


def stopped_after(
    design: Design,
    is_treated: NDArray[np.bool_],
    values: NDArray[np.float64],
    difference: float = 0.0,
) -> int | None:
    """After how many users it is sure that the difference is another one."""
    seen = Evidence()
    for count, control, treatment in blocks(is_treated, values):
        seen = evidence.after(design, seen, control, treatment)
        if evidence.against(design, seen, difference) >= design.threshold:
            return count
    return None
