"""The kinds that may stand in Git, exactly as written: strict, nothing extra, nothing implied.

Only what works is in here; the published JSON Schemas come from these classes. `read` turns
a document into one of them, or into problems that name the place and the fix. pydantic's
only home.
"""

from reconciler.core.kinds.deployment import ModelDeployment
from reconciler.core.kinds.host import Host
from reconciler.core.kinds.policy import Policy, PolicyCase, PolicyTest
from reconciler.core.kinds.reading import KINDS, Kind, read, schema
from reconciler.core.kinds.template import AcceptanceTemplate

__all__ = [
    "KINDS",
    "AcceptanceTemplate",
    "Host",
    "Kind",
    "ModelDeployment",
    "Policy",
    "PolicyCase",
    "PolicyTest",
    "read",
    "schema",
]
