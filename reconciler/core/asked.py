"""What a deployment's file asks for on one host, as the instance that should be there."""

from collections.abc import Mapping

from reconciler.core.kinds import ModelDeployment
from reconciler.core.observed import InstanceSpec


def spec(
    manifest: ModelDeployment,
    deployment: str,
    *,
    host: str,
    commit: str,
    sealed: Mapping[str, str],
) -> InstanceSpec:
    """The instance of `deployment` (environment/name) that should serve on `host`; `sealed` are the
    fingerprints of the secrets that it names."""
    wanted = manifest.spec
    return InstanceSpec(
        host=host,
        deployment=deployment,
        model=wanted.model.name,
        version=wanted.model.version,
        digest=wanted.model.digest,
        format=wanted.runtime.format,
        image=wanted.runtime.image,
        memory_bytes=wanted.runtime.resources.memory_bytes,
        cpus=float(wanted.runtime.resources.cpus),
        commit=commit,
        settings=wanted.runtime.settings(sealed),
    )
