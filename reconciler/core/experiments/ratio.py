"""Were users shared out as they should be? A test that may be looked at at any time. Pure.

With another ratio than the declared one something between the user and the count loses users of one
variant, and no comparison of what is left can be trusted (Fabijan et al. 2019). The test bets, with
all rates alike, that the treatment's part is another one than declared: its evidence is 1 at most
on average if it is not (Lindon and Malek 2022), at all looks together.
"""

import math


def against(control: float, treatment: float, part: float) -> float:
    """The logarithm of the evidence that the treatment's part of all units is not `part`."""
    alike = math.lgamma(1 + treatment) + math.lgamma(1 + control)
    alike -= math.lgamma(2 + treatment + control)
    return alike - treatment * math.log(part) - control * math.log1p(-part)
