"""Policies that are ready to run, and all of those that count together."""

from dataclasses import dataclass, field

from registry.core import canonical, digest
from registry.core.documents import Problem
from registry.core.policy.areas import Area
from registry.core.policy.expressions import Program
from registry.core.policy.kinds import Policy


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy where it stands, compiled."""

    path: str
    area: Area
    policy: Policy
    program: Program

    @property
    def name(self) -> str:
        """How refusals call it."""
        return self.policy.metadata.name


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies of one commit or folder; `broken` says of files why they cannot be read.

    `digest` changes whenever any decision might.
    """

    rules: tuple[Rule, ...]
    broken: tuple[Problem, ...] = ()
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        found = {
            rule.path: rule.policy.model_dump(mode="json", by_alias=True) for rule in self.rules
        }
        broken = [problem.path for problem in self.broken]
        whole = canonical.encode({"policies": found, "broken": broken})
        object.__setattr__(self, "digest", digest.of(whole))

    def enforces(self, area: Area) -> bool:
        """Whether anything here can deny in `area`, broken files included."""
        return bool(self.broken) or any(
            rule.area is area and rule.policy.spec.mode == "enforce" for rule in self.rules
        )
