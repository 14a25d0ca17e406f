"""What a person's wish can change in what is remembered of a deployment."""

from dataclasses import dataclass
from typing import TypeAlias

from reconciler.core.observed import InstanceSpec
from reconciler.core.rollout import Pin


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
class Hold:
    """The deployment is held at `pin`; the newest one stands."""

    pin: Pin


@dataclass(frozen=True, slots=True)
class LetGo:
    """The pin with that id is over, whoever or whatever ended it."""

    pin: str


@dataclass(frozen=True, slots=True)
class Decline:
    """Nothing."""


Change: TypeAlias = GoBack | TryAgain | Hold | LetGo | Decline
