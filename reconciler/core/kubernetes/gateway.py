"""Who reaches an instance: a model's Route as a Gateway API HTTPRoute. Pure.

Only what implementations must support (Core) where that is enough: prefixes, exact paths and
weights. What a Share asks for beyond is Extended, and `obstacles` names what no field can say.
"""

import hashlib
import re
from typing import Any

from reconciler.core import runtimefile
from reconciler.core.kubernetes import workload
from reconciler.core.kubernetes.workload import Manifest, Place
from reconciler.core.observed import HeaderMatch, InstanceSpec, Match, Route, Share

VERBS = ("predict", "classify", "regress", "explain")
_WHOLE = 100


def obstacles(share: Share) -> list[str]:
    """What of `share` the Gateway API cannot do, in words."""
    if share.sticky is not None:
        return ["sticky: in the Gateway API, session persistence is not for production yet"]
    return []


def http_route(
    route: Route, serving: InstanceSpec, candidate: InstanceSpec | None, place: Place
) -> Manifest:
    """`serving` is the instance of the route, `candidate` that of its share."""
    labels = {**workload.OWNER, f"{workload.DOMAIN}/host": serving.host}
    annotations = {
        f"{workload.DOMAIN}/model": route.model,
        f"{workload.DOMAIN}/deployment": route.deployment,
        f"{workload.DOMAIN}/instance": route.instance,
    }
    gateway = place.gateway
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": route_name(route),
            "namespace": place.namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "parentRefs": [{"name": gateway.name, "namespace": gateway.namespace}],
            "rules": _rules(route, serving, candidate),
        },
    }


def route_name(route: Route) -> str:
    """One HTTPRoute a model. An underscore is no part of a name there: who has one is told from
    who has none by a digest."""
    if "_" not in route.model:
        return f"model-{route.model}"
    told_apart = hashlib.sha256(route.model.encode()).hexdigest()[:8]
    return f"model-{route.model.replace('_', '-')}-{told_apart}"


def _rules(route: Route, serving: InstanceSpec, candidate: InstanceSpec | None) -> list[Manifest]:
    share = route.share
    if share is None or candidate is None:
        return [{"matches": _paths(route.model), "backendRefs": [_backend(serving)]}]
    rest: Manifest = {
        "matches": _paths(route.model),
        "backendRefs": [
            _backend(serving) | {"weight": _WHOLE - share.weight},
            _backend(candidate) | {"weight": share.weight},
        ],
    }
    if share.mirror:
        rest["filters"] = [_mirror(share, candidate)]
    if not share.headers:
        return [rest]
    headers = [_header(one) for one in share.headers]
    chosen = [match | {"headers": headers} for match in _paths(route.model)]
    return [{"matches": chosen, "backendRefs": [_backend(candidate)]}, rest]


def _paths(model: str) -> list[Manifest]:
    """A prefix ends where a path's element does, so that `fraud` is not `fraud-2`; and what
    follows a colon is in the same element, so that each verb is named."""
    prefixes = [f"/v{number}/models/{model}" for number in (1, 2)]
    verbs = [f"/v1/models/{model}:{verb}" for verb in VERBS]
    return [
        *({"path": {"type": "PathPrefix", "value": path}} for path in prefixes),
        *({"path": {"type": "Exact", "value": path}} for path in verbs),
    ]


def _backend(spec: InstanceSpec) -> Manifest:
    return {"name": workload.name(spec), "port": runtimefile.RUNTIME_PORT}


def _mirror(share: Share, candidate: InstanceSpec) -> Manifest:
    mirror: dict[str, Any] = {"backendRef": _backend(candidate)}
    if share.mirror < _WHOLE:
        mirror["percent"] = share.mirror
    return {"type": "RequestMirror", "requestMirror": mirror}


def _header(wanted: HeaderMatch) -> Manifest:
    match wanted.match:
        case Match.EXACT:
            how, value = "Exact", wanted.value
        case Match.PREFIX:
            how, value = "RegularExpression", f"^{re.escape(wanted.value)}.*$"
        case Match.REGEX:
            how, value = "RegularExpression", f"^(?:{wanted.value})$"
    return {"name": wanted.name, "type": how, "value": value}
