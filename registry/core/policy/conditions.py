"""A condition: one CEL expression over named values that holds only where it is the boolean true.

As with policies, an ERROR is never taken for a value, and a type is looked at before a value.
Compiled conditions are kept, for the same few are asked again and again.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from cel_expr_python import cel

from registry.core.canonical import Json
from registry.core.policy.expressions import first_line

_RAISED = (RuntimeError, TypeError, ValueError, OverflowError)


@dataclass(frozen=True, slots=True)
class Broken:
    """Why an expression is no condition, or why it said neither true nor false."""

    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Compiled; `holds` asks it."""

    environment: cel.Env
    expression: cel.Expression


@functools.lru_cache(maxsize=4096)
def compiled(source: str, names: tuple[str, ...]) -> Condition | Broken:
    """`source` over values called `names`, whose types are known when it is asked."""
    environment = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
    try:
        expression = environment.compile(source)
    except RuntimeError as error:
        return Broken(first_line(error))
    found = expression.return_type()
    if found not in (cel.Type.BOOL, cel.Type.DYN):
        return Broken(f"is {found.name()}, not BOOL")
    return Condition(environment, expression)


def holds(condition: Condition, values: Mapping[str, Json]) -> bool | Broken:
    """Whether it is true of `values`; a value that is left out is an error to what needs it."""
    try:
        activation = condition.environment.Activation(dict(values))
        found = condition.expression.eval(activation=activation)
        if found.type() == cel.Type.ERROR:
            return Broken(first_line(found.value()))
        if found.type() != cel.Type.BOOL:
            return Broken(f"is {found.type().name()}, not BOOL")
        return found.value() is True
    except _RAISED as raised:
        return Broken(first_line(raised))
