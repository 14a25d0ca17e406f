"""What `plimsoll render` prints and `apply` sends: a deployment of a checkout as manifests. Pure.

No secret is ever in them: token and trust root are in a Secret that they name.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.core.desired import DesiredState
from reconciler.core.kubernetes import gateway, kserve, permitted, workload
from reconciler.core.kubernetes.workload import Manifest, Named, Place
from reconciler.core.observed import InstanceSpec, Route, Share
from registry import errors
from registry.core import documents


class Format(StrEnum):
    """For whom: plain Kubernetes with the Gateway API, or KServe."""

    KUBERNETES = "kubernetes"
    KSERVE = "kserve"


@dataclass(frozen=True, slots=True)
class Wish:
    """How to render. `host` is the name under which what serves says where it serves; `weight`
    the percentage of requests for the deployment while `serving`, of another checkout, has the
    rest, or while KServe's former revision has it. `shown` are the permits for what is rendered."""

    format: Format
    place: Place
    secret: str
    host: str = ""
    weight: int | None = None
    shown: permitted.Shown | None = None


def manifests(
    state: DesiredState, key: str, wish: Wish, *, serving: DesiredState | None = None
) -> list[Manifest]:
    """In the order in which they should be there; raises `NotFound` and `InvalidInput`."""
    spec = _spec(state, key, wish)
    former = None if serving is None else _spec(serving, key, wish)
    if former is not None and former.spec_hash == spec.spec_hash:
        raise errors.InvalidInput(
            f"both checkouts ask for the same version {spec.version} of {spec.model}",
            fix="leave --serving out",
        )
    if former is not None and wish.weight is None:
        raise errors.InvalidInput(
            "--serving is there without --weight", fix="say how much the new version gets: 10"
        )
    match wish.format:
        case Format.KUBERNETES:
            return _kubernetes(spec, former, wish)
        case Format.KSERVE:
            return _kserve(spec, former, wish)


def _kubernetes(spec: InstanceSpec, former: InstanceSpec | None, wish: Wish) -> list[Manifest]:
    if former is None and wish.weight is not None:
        raise errors.InvalidInput(
            "--weight is there without --serving: nothing says who has the rest",
            fix="name a checkout of what serves now with --serving, or leave --weight out",
        )
    found = workload.manifests(spec, wish.place, _handed(spec, wish))
    if former is None:
        route = Route(spec.model, spec.deployment, spec.name)
        return [*found, gateway.http_route(route, spec, None, wish.place)]
    share = Share(spec.name, weight=wish.weight or 0)
    route = Route(spec.model, spec.deployment, former.name, share)
    return [
        *workload.manifests(former, wish.place, _handed(former, wish)),
        *found,
        gateway.http_route(route, former, spec, wish.place),
    ]


def _kserve(spec: InstanceSpec, former: InstanceSpec | None, wish: Wish) -> list[Manifest]:
    handed, place = _handed(spec, wish), wish.place
    told = workload.told(spec, place, handed)
    if former is None:
        return [told, kserve.inference_service(spec, place, handed, percent=wish.weight)]
    percent = wish.weight or 0
    return [
        workload.told(former, place, _handed(former, wish)),
        told,
        kserve.with_canary(former, spec, place, handed, percent=percent),
    ]


def _handed(spec: InstanceSpec, wish: Wish) -> Named:
    return Named(wish.secret, permitted.chosen(spec, wish.shown))


def _spec(state: DesiredState, key: str, wish: Wish) -> InstanceSpec:
    deployment = state.deployments.get(key)
    held = state.held.get(key)
    if deployment is None:
        if held:
            raise held[0].error()
        hint = documents.did_you_mean(key, sorted(state.deployments))
        raise errors.NotFound(f"there is no deployment {key!r}", fix=hint)
    host = wish.host or permitted.host(wish.shown) or deployment.hosts[0]
    spec = replace(deployment.spec_on(host, state.commit), commit="")
    if "@sha256:" not in spec.image:
        raise errors.InvalidInput(
            f"{deployment.path}: spec.runtime.image: {spec.image} is not pinned by its digest, and "
            f"each node of a cluster would pull what has that name then",
            fix="write it as registry/plimsoll-runtime@sha256:<digest>",
        )
    return spec
