"""What a person's wish can change in what is remembered of a deployment."""

from dataclasses import dataclass
from typing import TypeAlias

from reconciler.core.observed import InstanceSpec


@dataclass(frozen=True, slots=True)
class GoBack:
    """Every host to its own of `goods`, and never start `revision` again."""

    revision: str
    goods: tuple[InstanceSpec, ...]


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Let `revision` begin anew: it is quarantined no longer."""

    revision: str


@dataclass(frozen=True, slots=True)
class Decline:
    """Nothing."""


Change: TypeAlias = GoBack | TryAgain | Decline
