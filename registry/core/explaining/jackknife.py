"""Weighted least squares with standard errors, by leaving out a tenth of the draws at a time.

The delete-a-group jackknife: P. S. Kott, "The Delete-a-Group Jackknife", Journal of Official
Statistics 17(4), 2001. The sums of each group are made once, so that eleven fits cost one pass.
"""

from collections.abc import Callable

import numpy as np

from registry.core.explaining import terms
from registry.core.explaining.terms import Array

GROUPS = 10
# Of (columns, columns) and (columns,) sums to one value a feature; None where many fit alike.
Solve = Callable[[Array, Array], Array | None]


def fitted(
    given: Array, wanted: Array, weights: Array, group: Array, solve: Solve
) -> tuple[Array, Array] | None:
    """The values of all rows and their standard errors, NaN where there are too few groups.

    `given` (rows, columns) is to explain `wanted` (rows,); `group` numbers each row's group, and
    rows that were drawn together have one.
    """
    columns = given.shape[1]
    grams, moments = np.zeros((GROUPS, columns, columns)), np.zeros((GROUPS, columns))
    for number in range(GROUPS):
        rows = group == number
        weighted = given[rows] * weights[rows, None]
        grams[number], moments[number] = weighted.T @ given[rows], weighted.T @ wanted[rows]
    gram, moment = grams.sum(axis=0), moments.sum(axis=0)
    values = solve(gram, moment)
    if values is None:
        return None
    replicates = [solve(gram - one, moment - other)
                  for one, other in zip(grams, moments, strict=True)]  # fmt: skip
    around = np.array([one for one in replicates if one is not None])
    if len(around) < GROUPS or len(np.unique(group)) < GROUPS:
        return values, terms.unknown(len(values))
    spread = ((around - around.mean(axis=0)) ** 2).sum(axis=0)
    return values, np.asarray(np.sqrt(spread * (GROUPS - 1) / GROUPS))
