"""What all deployments of one commit have in common: if it changes, all are planned anew. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core import kinds
from reconciler.core.desired import DesiredState
from reconciler.core.projects.doubts import Doubts
from registry.core.policy import PolicySet


@dataclass(frozen=True, slots=True)
class Common:
    """What all deployments have in common."""

    policies: PolicySet
    analyses: Mapping[str, kinds.AnalysisTemplate]
    is_empty: bool
    allow_empty: bool
    doubts: Doubts
    proposes: bool
    has_forge: bool


def of(desired: DesiredState) -> Common:
    """As it is in `desired`."""
    return Common(
        policies=desired.policies,
        analyses=desired.analyses,
        is_empty=desired.is_empty,
        allow_empty=desired.allow_empty,
        doubts=desired.doubts,
        proposes=desired.proposes,
        has_forge=desired.has_forge,
    )
