"""Standard errors by leaving out a tenth of the sample at a time.

The delete-a-group jackknife: P. S. Kott, "The Delete-a-Group Jackknife", Journal of Official
Statistics 17(4), 2001. Works for whatever is fitted to sums over independent draws.
"""

from collections.abc import Callable

import numpy as np

from registry.core.explaining import terms
from registry.core.explaining.terms import Array

GROUPS = 10


def errors(features: int, draws: int, fitted: Callable[[Array], Array | None]) -> Array:
    """One standard error a feature, of `draws` independent draws; NaN where there are too few.

    `fitted` is given a mask over the draws, and None comes back where too few are left.
    """
    if draws < 2 * GROUPS:
        return terms.unknown(features)
    group = np.arange(draws) % GROUPS
    replicates = []
    for left_out in range(GROUPS):
        found = fitted(group != left_out)
        if found is None:
            return terms.unknown(features)
        replicates.append(found)
    around = np.array(replicates)
    spread = ((around - around.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(np.sqrt(spread * (GROUPS - 1) / GROUPS))
