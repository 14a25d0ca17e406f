"""The kinds that may stand in Git, exactly as written: strict, nothing extra, nothing implied.

Only what works is in here; the published JSON Schemas come from these classes. `read` turns
a document into one of them, or into problems that name the place and the fix.
"""

from typing import TypeAlias, get_args

from reconciler.core.kinds.analysis import AnalysisTemplate
from reconciler.core.kinds.deployment import ModelDeployment
from reconciler.core.kinds.deployment_set import ModelDeploymentSet
from reconciler.core.kinds.experiment import Experiment
from reconciler.core.kinds.fleet import FleetRollout, Targets
from reconciler.core.kinds.host import Host
from reconciler.core.kinds.project import Project
from reconciler.core.kinds.promotion import Promotion
from reconciler.core.kinds.secret import Secret
from reconciler.core.kinds.template import AcceptanceTemplate
from registry.core import reading
from registry.core.documents import Document, Problem
from registry.core.policy.kinds import Policy, PolicyTest
from registry.core.reading import schema
from registry.core.recipes.kinds import OptimisationRecipe
from registry.core.strict import Strict

__all__ = [
    "KINDS",
    "SCHEMAS",
    "AcceptanceTemplate",
    "AnalysisTemplate",
    "Experiment",
    "FleetRollout",
    "Host",
    "Kind",
    "ModelDeployment",
    "ModelDeploymentSet",
    "Policy",
    "PolicyTest",
    "Project",
    "Promotion",
    "Secret",
    "Targets",
    "read",
    "schema",
]

Kind: TypeAlias = (
    ModelDeployment
    | Host
    | AcceptanceTemplate
    | AnalysisTemplate
    | Policy
    | PolicyTest
    | Project
    | ModelDeploymentSet
    | Experiment
    | Promotion
    | Secret
)
KINDS: dict[str, type[Kind]] = {kind.__name__: kind for kind in get_args(Kind)}
# A recipe lies beside its model, and is nothing that a reconciler reads; its schema is for editors.
SCHEMAS: dict[str, type[Strict]] = {**KINDS, "OptimisationRecipe": OptimisationRecipe}


def read(document: Document) -> Kind | tuple[Problem, ...]:
    """The kind that `document` is, or everything that is wrong with it."""
    return reading.read(document, KINDS)
