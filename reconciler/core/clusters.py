"""What a deployment may ask of a cluster and not of a host, or the other way round. Pure."""

from collections.abc import Iterator, Mapping

from reconciler.core import kinds
from reconciler.core.sources import Source
from registry.core.documents import Problem


def problems(
    source: Source[kinds.ModelDeployment], targets: Mapping[str, kinds.Host]
) -> Iterator[Problem]:
    """What `source` asks of one of its `targets` that this has no means for."""
    if (source.kind.spec.runtime.replicas or 1) > 1:
        for name in targets:
            yield source.document.problem(
                ("spec", "runtime", "replicas"),
                f"spec.runtime.replicas: the host {name} runs one instance of a deployment",
                fix="leave replicas out, or target more hosts",
            )
