"""What must be shown of a version before Git is told of it: CEL over what verifies about it."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

from registry.core.policy import conditions
from registry.core.strict import Strict

# All of it is signed, in the log, and neither revoked nor by somebody who may not say so.
DEMAND_NAMES = ("evidence", "verification")


def _is_demand(source: str) -> str:
    found = conditions.compiled(source, DEMAND_NAMES)
    if isinstance(found, conditions.Broken):
        raise PydanticCustomError(
            "demand",
            "{wrong}",
            {
                "wrong": found.text,
                "fix": "write a CEL expression that is true or false over "
                + " and ".join(DEMAND_NAMES),
            },
        )
    return source


_Expression: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_is_demand)
]


class Demand(Strict):
    """A CEL expression that must be true, and what is said while it is not."""

    expression: _Expression
    message: Annotated[str, StringConstraints(min_length=1, max_length=500)]
