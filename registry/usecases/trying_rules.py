"""Tries an expression on a stored version: what a policy that asks for it would find. Logs nothing.

The version is judged as a host would judge it: `verification` holds only what was proven.
"""

from dataclasses import dataclass

from registry.core.policy import conditions
from registry.core.policy.conditions import Broken
from registry.db import versions
from registry.usecases import policing
from registry.usecases.access import Caller
from registry.usecases.opening import Registry

LENGTH = 1000
_NAMES = ("version", "verification")


@dataclass(frozen=True, slots=True)
class Tried:
    """Whether it holds; `trouble` says why nobody can tell."""

    holds: bool
    trouble: str = ""


def on_version(registry: Registry, model: str, number: int, expression: str, by: Caller) -> Tried:
    """Raises NotFound or Gone for a version that cannot be had, IntegrityError for a broken one."""
    compiled = conditions.compiled(expression, _NAMES)
    if isinstance(compiled, Broken):
        return Tried(holds=False, trouble=compiled.text)
    with registry.database.reading() as session:
        row = versions.whole(session, model, number)
    about = policing.stored(registry, row, by)
    found = conditions.holds(
        compiled, {"version": dict(about.document), "verification": dict(about.verification)}
    )
    return Tried(holds=False, trouble=found.text) if isinstance(found, Broken) else Tried(found)
