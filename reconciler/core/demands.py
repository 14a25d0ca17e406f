"""Whether what is asked for in `evidence` is shown of a version. Pure.

Only what verified is looked at: what is not there, or is an error, is not true.
"""

from collections.abc import Iterator, Sequence

from reconciler.core.kinds.demand import DEMAND_NAMES, Demand
from registry.core import canonical, policy
from registry.core.envelope import Verified
from registry.core.policy import conditions
from registry.errors import InvalidInput


def lacking(demands: Sequence[Demand], found: Verified) -> Iterator[str]:
    """What is said of each demand that does not hold."""
    shown = policy.verification(found)
    # CEL takes a text for ended at its first NUL.
    try:
        is_plain = b"\\u0000" not in canonical.encode(shown)
    except InvalidInput:
        is_plain = False
    values = {"verification": shown, "evidence": shown["evidence"]}
    for demand in demands:
        if not is_plain:
            yield f"{demand.message} (a text in its evidence cannot be judged)"
            continue
        condition = conditions.compiled(demand.expression, DEMAND_NAMES)
        held = (
            condition
            if isinstance(condition, conditions.Broken)
            else conditions.holds(condition, values)
        )
        if isinstance(held, conditions.Broken):
            yield f"{demand.message} ({held.text})"
        elif not held:
            yield demand.message
