"""How each route names the model it is about, for callers who may act on some models only.

A route that is not here is closed to them: what is about all models is for those who may act on
all. Whoever lists things filters by the caller's scope himself.
"""

from enum import Enum, auto

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from registry.core.identity import Caller
from registry.usecases import scoping
from registry.usecases.opening import Registry


class Naming(Enum):
    """Where a request says which model it means."""

    PATH = auto()
    ARTIFACT = auto()
    BODY = auto()
    FILTERED = auto()
    NONE = auto()
    ALL = auto()


_BY_PATH = ("/v1/models/{name}", "/v2/{name}", "/models/{name}")
_MLFLOW = "/api/2.0/mlflow/"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/"

# The others of MLflow's registry say the name of a model in their body or query.
_LISTS = frozenset(
    {
        "GET /v1/models",
        "GET /v1/versions",
        "GET /v1/deployments",
        "GET /v1/deployments/{environment}/{name}",
        "GET /v2/_catalog",
        "GET /",
        "GET /deployments",
        "GET /deployments/{environment}/{name}",
        "GET /deployments/{environment}/{name}/ask",
        "POST /deployments/{environment}/{name}/ask",
        "GET /experiments",
        "GET /models",
        "GET /promotions",
        "GET /api/2.0/mlflow/registered-models/search",
        "GET /api/2.0/mlflow/model-versions/search",
        "GET /api/2.0/mlflow-artifacts/artifacts",
    }
)
_SAID = frozenset({"POST /v1/models", "POST /v1/events", "POST /v1/holds"})
# A digest is as good as what it names: only manifests tell it, and those are of a model.
_OF_NO_MODEL = frozenset(
    {
        "GET /v1/whoami",
        "GET /v1/trust",
        "GET /v1/blobs/{digest}",
        "HEAD /v1/blobs/{digest}",
        "POST /v1/blobs",
        "POST /v1/wanted-blobs",
        "POST /v1/uploads",
        "GET /v1/uploads/{upload}",
        "PATCH /v1/uploads/{upload}",
        "PUT /v1/uploads/{upload}",
        "DELETE /v1/uploads/{upload}",
        "GET /v1/log/entries",
        "GET /v1/log/entries.tar",
        "GET /v1/events/stream",
        "GET /v1/deployments/{environment}/{name}/log",
        "POST /v1/hosts/{host}/certificate",
        "GET /v2",
        "GET /v2/",
        "GET /openapi.json",
        "GET /live",
        "GET /log",
        "POST /log/find",
        "GET /log/entry/{index}",
    }
)


def naming(route: str) -> Naming:
    """How this route, as the table of who may call what writes it, names its model."""
    path = route.partition(" ")[2]
    if route in _LISTS:
        return Naming.FILTERED
    if route in _OF_NO_MODEL:
        return Naming.NONE
    if any(path == start or path.startswith(f"{start}/") for start in _BY_PATH):
        return Naming.PATH
    if path.startswith(_ARTIFACTS):
        return Naming.ARTIFACT
    is_registry = path.startswith(_MLFLOW) and not path.startswith(f"{_MLFLOW}webhooks")
    return Naming.BODY if is_registry or route in _SAID else Naming.ALL


async def require(request: Request, registry: Registry, caller: Caller, route: str) -> None:
    """Raise Forbidden where the caller may not act on what the request is about.

    Where the body says it, whoever reads the body asks.
    """
    if caller.scope.is_everything:
        return
    match naming(route):
        case Naming.PATH:
            name = request.path_params["name"]
            await run_in_threadpool(scoping.require, registry, caller, name)
        case Naming.ARTIFACT:
            path = request.path_params["path"]
            await run_in_threadpool(scoping.require_place, registry, caller, path)
        case Naming.ALL:
            scoping.require_everything(caller)
        case Naming.BODY | Naming.FILTERED | Naming.NONE:
            pass
