"""What of a fleet was asked for, and what of it has changed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Inputs:
    """Some of what there is to know: of deployments, by key, what Git says, what is seen and what
    is remembered; of hosts, whether they are declared and answer; of models on a host, who is
    asked to serve them."""

    keys: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    models: set[tuple[str, str]] = field(default_factory=set)

    def add(self, other: "Inputs") -> None:
        """These, too."""
        self.keys |= other.keys
        self.hosts |= other.hosts
        self.models |= other.models


@dataclass(slots=True)
class Asked:
    """What somebody has asked of a fleet."""

    inputs: Inputs = field(default_factory=Inputs)
    time: bool = False


@dataclass(slots=True)
class Changed:
    """What is not as it was. `everything`: what all deployments have in common, such as policies.
    A new `commit` alone changes nothing but the name that new instances are to carry."""

    inputs: Inputs = field(default_factory=Inputs)
    commit: bool = False
    everything: bool = False

    def add(self, other: "Changed") -> None:
        """What has changed then, too."""
        self.inputs.add(other.inputs)
        self.commit |= other.commit
        self.everything |= other.everything


def differing(before: Mapping[str, T], after: Mapping[str, T]) -> set[str]:
    """Those with another value; the same object is not compared with itself."""
    if before is after:
        return set()
    found = {key for key in before if key not in after}
    for key, value in after.items():
        known = before.get(key)
        if known is not value and known != value:
            found.add(key)
    return found
