"""What a deployment may ask of a cluster and not of a host, or the other way round. Pure."""

from collections.abc import Iterator, Mapping

from reconciler.core import kinds
from reconciler.core.sources import Source
from registry.core.documents import Problem


def problems(
    source: Source[kinds.ModelDeployment], targets: Mapping[str, kinds.Host]
) -> Iterator[Problem]:
    """What `source` asks of one of its `targets` that this has no means for."""
    for name, host in targets.items():
        if host.spec.engine.mode == "swarm":
            yield from _of_a_swarm(source, name)
        elif (source.kind.spec.runtime.replicas or 1) > 1:
            yield source.document.problem(
                ("spec", "runtime", "replicas"),
                f"spec.runtime.replicas: the host {name} runs one instance of a deployment",
                fix="leave replicas out, or target more hosts",
            )


def _of_a_swarm(source: Source[kinds.ModelDeployment], name: str) -> Iterator[Problem]:
    runtime = source.kind.spec.runtime
    if "@sha256:" not in runtime.image:
        yield source.document.problem(
            ("spec", "runtime", "image"),
            f"spec.runtime.image: {runtime.image} has no digest, and each node of the Swarm {name} "
            f"would run what has that name there",
            fix="write it as registry/plimsoll-runtime@sha256:<digest>",
        )
    if runtime.grpc:
        yield source.document.problem(
            ("spec", "runtime", "grpc"),
            f"spec.runtime.grpc: the ingress of the Swarm {name} speaks HTTP only",
            fix="leave grpc out, or target a host with a Docker Engine of its own",
        )
