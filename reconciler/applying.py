"""`plimsoll apply`: a deployment onto a Kubernetes cluster, in the order that keeps clients served.

What serves comes first and has to be ready before any client is sent to it; then the route moves;
what nobody is sent to any more goes last, and only if that is asked for. Each step may be repeated:
after a break the command is simply run again.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler import rendering
from registry import errors

if TYPE_CHECKING:
    from reconciler import cluster
    from reconciler.core.kubernetes.workload import Manifest

_LOOK_EVERY_S = 1.0

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Let the cluster check it, and change nothing.")
]
TakeOver = Annotated[bool, typer.Option("--take-over", help="Take fields over that others manage.")]
Prune = Annotated[
    bool, typer.Option("--prune", help="Remove the deployment's other versions at the end.")
]


def apply(  # noqa: PLR0913  each is an option
    deployment: rendering.Deployment,
    path: rendering.Checkout = Path(),
    *,
    form: rendering.Form = "kubernetes",
    registry: rendering.Registry,
    gateway: rendering.Gateway,
    namespace: rendering.Namespace = "default",
    secret: rendering.Secret = rendering.SECRET,
    host: rendering.HostName = "",
    serving: rendering.Serving = None,
    weight: rendering.Weight = None,
    permit: rendering.Permits = None,
    trust: rendering.Trust = None,
    context: Annotated[str | None, typer.Option(help="A context of the kubeconfig.")] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="Where it is, if not as usual.")] = None,
    dry_run: DryRun = False,
    take_over: TakeOver = False,
    prune: Prune = False,
    timeout: Annotated[str, typer.Option(help="How long to wait until it is ready.")] = "10m",
) -> None:
    """Apply a deployment to a Kubernetes cluster, server-side, and wait until it serves."""
    from reconciler import cluster  # noqa: PLC0415  heavy
    from reconciler.core.kubernetes import workload  # noqa: PLC0415  heavy
    from registry.core import strict  # noqa: PLC0415  heavy

    place = workload.Place(namespace, rendering.gateway_of(gateway), registry)
    shown = rendering.shown(permit or [], trust)
    asked = rendering.wish(form, place, secret=secret, host=host, weight=weight, shown=shown)
    manifests = rendering.manifests(path, deployment, asked, serving)
    work = Work(
        cluster.connect(namespace, context=context, kubeconfig=kubeconfig),
        cluster.Manner(is_rehearsal=dry_run, takes_over=take_over),
        patience_s=strict.duration_seconds(timeout),
    )
    work.run(manifests, prunes=prune)


@dataclass(frozen=True, slots=True)
class Work:
    """One deployment on its way into a cluster; `told` gets a line for each thing that is done."""

    to: "cluster.Cluster"
    manner: "cluster.Manner"
    patience_s: float
    told: Callable[[str], None] = print
    every_s: float = _LOOK_EVERY_S

    def run(self, manifests: "Sequence[Manifest]", *, prunes: bool) -> None:
        """Raises `WaitTimedOut`, and `EngineRefused` where the cluster gave up on a version."""
        first = [one for one in manifests if one["kind"] != "HTTPRoute"]
        for manifest in first:
            self._apply(manifest)
        if not self.manner.is_rehearsal:
            self._await(first)
        for manifest in manifests[len(first) :]:
            self._apply(manifest)
        if prunes:
            self._prune(manifests)

    def _apply(self, manifest: "Manifest") -> None:
        self._tell(self.to.apply(manifest, self.manner), manifest["kind"], _name(manifest))

    def _await(self, manifests: "Sequence[Manifest]") -> None:
        """Until all that has to be ready is; the route is not touched before."""
        from reconciler.core.kubernetes import standing  # noqa: PLC0415  heavy

        end = time.monotonic() + self.patience_s
        for manifest in manifests:
            if manifest["kind"] not in standing.GATES_TRAFFIC:
                continue
            said = ""
            while not isinstance(found := self.to.standing(manifest), standing.Ready):
                what = f"{manifest['kind']} {_name(manifest)}: {found.reason}"
                if isinstance(found, standing.Failed):
                    raise errors.EngineRefused(
                        what, fix=f"kubectl describe deployment {_name(manifest)}; no route moved"
                    )
                if time.monotonic() >= end:
                    raise errors.WaitTimedOut(
                        f"{what}, after {self.patience_s:g} s",
                        fix="no route was moved: look why, then run this again",
                    )
                if what != said:
                    sys.stderr.write(f"waiting: {what}\n")
                    said = what
                time.sleep(self.every_s)

    def _prune(self, manifests: "Sequence[Manifest]") -> None:
        from reconciler import cluster  # noqa: PLC0415  heavy
        from reconciler.core.kubernetes import workload  # noqa: PLC0415  heavy

        wanted = {(one["kind"], _name(one)) for one in manifests}
        kinds = tuple(dict.fromkeys(one["kind"] for one in manifests if one["kind"] != "HTTPRoute"))
        for key in self.to.labelled(kinds, workload.siblings(manifests[0])):
            if (key.kind, key.name) not in wanted:
                self.to.remove(key, self.manner)
                self._tell(cluster.Verb.REMOVED, key.kind, key.name)

    def _tell(self, verb: "cluster.Verb", kind: str, name: str) -> None:
        rehearsed = " (dry run)" if self.manner.is_rehearsal else ""
        self.told(f"{verb.value:<9} {kind} {name}{rehearsed}")


def _name(manifest: "Manifest") -> str:
    return str(manifest["metadata"]["name"])
