"""What must be shown of a version before Git is told of it: CEL over what verifies about it."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, StringConstraints

from reconciler.core.kinds import expression
from registry.core.strict import Strict

# All of it is signed, in the log, and neither revoked nor by somebody who may not say so.
DEMAND_NAMES = ("evidence", "verification")


_checked = expression.over(DEMAND_NAMES, kind="demand", listed=" and ".join(DEMAND_NAMES))
_Expression: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_checked)
]


class Demand(Strict):
    """A CEL expression that must be true, and what is said while it is not."""

    expression: _Expression
    message: Annotated[str, StringConstraints(min_length=1, max_length=500)]
