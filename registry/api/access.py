"""Who may call what, in one table. A route that is not in it is closed to everybody."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from registry import errors
from registry.api import credentials, scoping
from registry.core.identity import Caller, Identity, Role
from registry.pages import guarding
from registry.usecases.opening import Registry

_ALL = frozenset(Role)
_ADMINS = frozenset({Role.ADMIN})
_PUBLISHERS = frozenset({Role.ADMIN, Role.PUBLISHER})
_RECONCILERS = frozenset({Role.ADMIN, Role.RECONCILER})
_REPORTERS = frozenset({Role.ADMIN, Role.RECONCILER, Role.AGENT, Role.HOST})
_OPERATORS = frozenset({Role.ADMIN, Role.OPERATOR})
# Not even an admin approves: whoever could mint a role must not be able to wear all of them.
_APPROVERS = frozenset({Role.APPROVER})
_AUDITORS = frozenset({Role.ADMIN, Role.AUDITOR})
# A suspect is uploaded like a model.
_SENDERS = _PUBLISHERS | _AUDITORS
_MOVERS = _PUBLISHERS | _OPERATORS

OPEN = frozenset(
    {
        "GET /livez",
        "GET /readyz",
        "GET /healthz",
        "GET /metrics",
        "GET /log/checkpoint",
        "GET /log/entries",
        "GET /log/entries/{index}.tlog-proof",
        "GET /log/proof/{index}",
        "GET /log/consistency",
        "GET /log/tile/entries/{path}",
        "GET /log/tile/{level}/{path}",
        "GET /login",
        "GET /login/callback",
        "GET /login/with/{number}",
        "POST /language",
        "POST /login",
        "POST /logout",
        "POST /v1/enrol",
        "GET /static/{name}",
    }
)

ALLOWED: dict[str, frozenset[Role]] = {
    "POST /v1/uploads": _SENDERS,
    "GET /v1/uploads/{upload}": _SENDERS,
    "PATCH /v1/uploads/{upload}": _SENDERS,
    "PUT /v1/uploads/{upload}": _SENDERS,
    "DELETE /v1/uploads/{upload}": _SENDERS,
    "POST /v1/blobs": _SENDERS,
    "POST /v1/missing-blobs": _SENDERS,
    "GET /v1/blobs/{digest}": _ALL,
    "HEAD /v1/blobs/{digest}": _ALL,
    "POST /v1/wanted-blobs": _ALL - {Role.HOST, Role.AGENT},
    "GET /v1/versions": _ALL,
    "GET /v1/models": _ALL,
    "POST /v1/models": _PUBLISHERS,
    "GET /v1/models/{name}": _ALL,
    "PATCH /v1/models/{name}": _PUBLISHERS,
    "GET /v1/models/{name}/versions": _ALL,
    "POST /v1/models/{name}/versions": _PUBLISHERS,
    "GET /v1/models/{name}/versions/{version}": _ALL,
    "PATCH /v1/models/{name}/versions/{version}": _PUBLISHERS,
    "POST /v1/models/{name}/versions/{version}/variants": _PUBLISHERS,
    "GET /v1/models/{name}/versions/{version}/card": _ALL,
    "GET /v1/models/{name}/versions/{version}/lineage": _ALL,
    "GET /v1/models/{name}/versions/{version}/bundle": _ALL,
    "POST /v1/models/{name}/versions/{version}/evidence": _PUBLISHERS | _APPROVERS | _RECONCILERS,
    "GET /v1/models/{name}/versions/{version}/evidence": _ALL,
    "GET /v1/models/{name}/versions/{version}/evidence/{statement}": _ALL,
    "POST /v1/models/{name}/versions/{version}/images": _PUBLISHERS,
    "POST /v1/optimisations": _PUBLISHERS,
    "GET /v1/optimisations": _SENDERS,
    "GET /v1/optimisations/{optimisation}": _SENDERS,
    "DELETE /v1/optimisations/{optimisation}": _PUBLISHERS,
    "GET /v1/models/{name}/versions/{version}/watermark": _AUDITORS,
    "POST /v1/models/{name}/versions/{version}/watermark/keys": _ADMINS,
    "POST /v1/watermark/detections": _AUDITORS,
    "GET /v1/models/{name}/aliases/{alias}": _ALL,
    "PUT /v1/models/{name}/aliases/{alias}": _MOVERS,
    "DELETE /v1/models/{name}/aliases/{alias}": _MOVERS,
    "POST /v1/events": _REPORTERS,
    "POST /v1/events/batch": _REPORTERS,
    "POST /log/cosignatures": _REPORTERS,
    "GET /v1/deployments": _ALL,
    "GET /v1/deployments/{environment}/{name}": _ALL,
    "GET /v1/deployments/{environment}/{name}/log": _ALL,
    "PUT /v1/deployments/{environment}/{name}": _RECONCILERS,
    "DELETE /v1/deployments/{environment}/{name}": _RECONCILERS,
    "POST /v1/tokens": _RECONCILERS | {Role.AGENT},
    "GET /v1/tokens": _ADMINS,
    "DELETE /v1/tokens/{token}": _ADMINS,
    "GET /v1/events/stream": _ALL,
    "POST /v1/webhooks": _ADMINS,
    "GET /v1/webhooks": _ADMINS,
    "GET /v1/webhooks/{webhook}": _ADMINS,
    "PATCH /v1/webhooks/{webhook}": _ADMINS,
    "DELETE /v1/webhooks/{webhook}": _ADMINS,
    "POST /v1/webhooks/{webhook}/test": _ADMINS,
    "GET /v1/webhooks/{webhook}/dead-letters": _ADMINS,
    "POST /v1/webhooks/{webhook}/dead-letters/{index}/redeliver": _ADMINS,
    "GET /v1/whoami": _ALL,
    "POST /v1/persons/find": _AUDITORS,
    "DELETE /v1/persons/{pseudonym}": _ADMINS,
    "GET /v1/hosts": _OPERATORS | _AUDITORS | _RECONCILERS,
    "DELETE /v1/hosts/{host}": _OPERATORS,
    "PUT /v1/hosts/{host}/report": _RECONCILERS | {Role.AGENT},
    "POST /v1/hosts/{host}/invitation": _OPERATORS | _RECONCILERS,
    "POST /v1/hosts/{host}/certificate": frozenset({Role.HOST}),
    "POST /v1/host-leases": _RECONCILERS,
    "POST /v1/host-leases/release": _RECONCILERS,
    "GET /v1/agents": _OPERATORS | _AUDITORS | _RECONCILERS,
    "PUT /v1/agents/{host}": frozenset({Role.AGENT}),
    "DELETE /v1/agents/{host}": _OPERATORS | {Role.AGENT},
    "GET /v1/rollouts": _RECONCILERS,
    "POST /v1/rollouts": _RECONCILERS,
    "GET /v1/requests": _RECONCILERS,
    "POST /v1/requests/{request}/take": _RECONCILERS,
    "POST /v1/requests/{request}/answer": _RECONCILERS,
    "POST /v1/retention/plan": _OPERATORS,
    "POST /v1/retention/apply": _ADMINS,
    "POST /v1/holds": _OPERATORS,
    "GET /v1/holds": _OPERATORS | _AUDITORS,
    "POST /v1/holds/{hold}/release": _ADMINS,
    "POST /v1/models/{name}/versions/{version}/erase": _ADMINS,
    "POST /v1/models/{name}/erase": _ADMINS,
    "GET /v1/log/entries": _ALL - {Role.HOST, Role.AGENT},
    "GET /v1/log/entries.tar": _ALL - {Role.HOST, Role.AGENT},
    "GET /v1/audit/documents": _AUDITORS,
    "GET /v1/trust": _ALL,
    "POST /api/2.0/mlflow/registered-models/create": _PUBLISHERS,
    "POST /api/2.0/mlflow/registered-models/rename": _PUBLISHERS,
    "PATCH /api/2.0/mlflow/registered-models/update": _PUBLISHERS,
    "DELETE /api/2.0/mlflow/registered-models/delete": _PUBLISHERS,
    "GET /api/2.0/mlflow/registered-models/get": _ALL,
    "GET /api/2.0/mlflow/registered-models/search": _ALL,
    "GET /api/2.0/mlflow/registered-models/get-latest-versions": _ALL,
    "POST /api/2.0/mlflow/registered-models/get-latest-versions": _ALL,
    "POST /api/2.0/mlflow/registered-models/set-tag": _PUBLISHERS,
    "DELETE /api/2.0/mlflow/registered-models/delete-tag": _PUBLISHERS,
    "GET /api/2.0/mlflow/registered-models/alias": _ALL,
    "POST /api/2.0/mlflow/registered-models/alias": _MOVERS,
    "DELETE /api/2.0/mlflow/registered-models/alias": _MOVERS,
    "POST /api/2.0/mlflow/model-versions/create": _PUBLISHERS,
    "GET /api/2.0/mlflow/model-versions/get": _ALL,
    "GET /api/2.0/mlflow/model-versions/search": _ALL,
    "PATCH /api/2.0/mlflow/model-versions/update": _PUBLISHERS,
    "DELETE /api/2.0/mlflow/model-versions/delete": _PUBLISHERS,
    "GET /api/2.0/mlflow/model-versions/get-download-uri": _ALL,
    "POST /api/2.0/mlflow/model-versions/transition-stage": _PUBLISHERS,
    "POST /api/2.0/mlflow/model-versions/set-tag": _PUBLISHERS,
    "DELETE /api/2.0/mlflow/model-versions/delete-tag": _PUBLISHERS,
    "POST /api/2.0/mlflow/webhooks": _ADMINS,
    "GET /api/2.0/mlflow/webhooks": _ADMINS,
    "GET /api/2.0/mlflow/webhooks/{webhook_id}": _ADMINS,
    "PATCH /api/2.0/mlflow/webhooks/{webhook_id}": _ADMINS,
    "DELETE /api/2.0/mlflow/webhooks/{webhook_id}": _ADMINS,
    "POST /api/2.0/mlflow/webhooks/{webhook_id}/test": _ADMINS,
    "GET /api/2.0/mlflow-artifacts/artifacts": _ALL,
    "GET /api/2.0/mlflow-artifacts/artifacts/{path}": _ALL,
    "PUT /api/2.0/mlflow-artifacts/artifacts/{path}": _PUBLISHERS,
    "DELETE /api/2.0/mlflow-artifacts/artifacts/{path}": _PUBLISHERS,
    "POST /api/2.0/mlflow-artifacts/mpu/create/{path}": _PUBLISHERS,
    "GET /v2": _ALL,
    "GET /v2/": _ALL,
    "GET /v2/_catalog": _ALL,
    "GET /v2/{name}/tags/list": _ALL,
    "GET /v2/{name}/referrers/{digest}": _ALL,
    "GET /v2/{name}/manifests/{reference}": _ALL,
    "HEAD /v2/{name}/manifests/{reference}": _ALL,
    "PUT /v2/{name}/manifests/{reference}": _PUBLISHERS,
    "DELETE /v2/{name}/manifests/{reference}": _PUBLISHERS,
    "GET /v2/{name}/blobs/{digest}": _ALL,
    "HEAD /v2/{name}/blobs/{digest}": _ALL,
    "DELETE /v2/{name}/blobs/{digest}": _PUBLISHERS,
    "POST /v2/{name}/blobs/uploads": _PUBLISHERS,
    "POST /v2/{name}/blobs/uploads/": _PUBLISHERS,
    "GET /v2/{name}/blobs/uploads/{upload}": _PUBLISHERS,
    "PATCH /v2/{name}/blobs/uploads/{upload}": _PUBLISHERS,
    "PUT /v2/{name}/blobs/uploads/{upload}": _PUBLISHERS,
    "DELETE /v2/{name}/blobs/uploads/{upload}": _PUBLISHERS,
    "GET /openapi.json": _ALL,
    "GET /": _ALL,
    "GET /log": _ALL,
    "GET /deployments": _ALL,
    "GET /deployments/{environment}/{name}": _ALL,
    "GET /models": _ALL,
    "GET /hosts": _OPERATORS | _AUDITORS | _RECONCILERS,
    "GET /hosts/{host}": _OPERATORS | _AUDITORS | _RECONCILERS,
    "GET /experiments": _ALL,
    "GET /promotions": _ALL,
    "GET /policies": _ALL - {Role.HOST, Role.AGENT},
    "GET /live": _ALL,
    "POST /log/find": _ALL,
    "GET /log/entry/{index}": _ALL,
    "GET /models/{name}": _ALL,
    "GET /models/{name}/compare": _ALL,
    "GET /models/{name}/versions/{version}": _ALL,
    "GET /models/{name}/alias": _MOVERS,
    "POST /models/{name}/alias": _MOVERS,
    "GET /models/{name}/hold": _OPERATORS,
    "POST /models/{name}/hold": _OPERATORS,
    "GET /holds/{hold}/release": _ADMINS,
    "POST /holds/{hold}/release": _ADMINS,
    "GET /deployments/{environment}/{name}/ask": _OPERATORS,
    "POST /deployments/{environment}/{name}/ask": _OPERATORS,
}

# The forms of the pages: here a browser's cookie acts, where the form is one of ours.
FORMS = frozenset(
    {
        "POST /models/{name}/alias",
        "POST /models/{name}/hold",
        "POST /holds/{hold}/release",
        # Writes nothing: what is asked for may be a person's name, which no address is to have.
        "POST /log/find",
        "POST /deployments/{environment}/{name}/ask",
    }
)

_bearer = HTTPBearer(auto_error=False, description="A token of this registry: `plm_…`")


# All of these are async although they wait for nothing: FastAPI would send each to a thread.
async def registry_of(request: Request) -> Registry:
    """The open registry of this application."""
    registry: Registry = request.app.state.registry
    return registry


async def authorise(
    request: Request,
    _bearer_form: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller | None:
    """The caller, None on an open route; raises Unauthenticated or Forbidden."""
    route = f"{request.method} {request.scope['route'].path.replace(':path}', '}')}"
    if route in OPEN:
        return None
    if route in FORMS:
        await guarding.admit(request)
    registry = await registry_of(request)
    identity = await credentials.identity(request, registry)
    request.state.identity = identity
    request.state.may = partial(_may, identity)
    request.app.state.pace.require(f"{identity.means}:{identity.name}", "requests of this caller")
    caller = identity.acting(ALLOWED.get(route, frozenset()))
    if caller is None:
        raise errors.Forbidden(
            f"{identity.actors} may not {route}",
            fix="see `plimsoll whoami` for what you may; an admin may grant more",
        )
    request.state.caller = caller
    await scoping.require(request, registry, caller, route)
    return caller


def _may(identity: Identity, route: str) -> Caller | None:
    """The caller as who they could call another route, for pages that lead there."""
    return identity.acting(ALLOWED.get(route, frozenset()))


async def caller_of(caller: Annotated[Caller | None, Depends(authorise)]) -> Caller:
    """The caller of a route that is not open."""
    if caller is None:
        raise errors.Unauthenticated("this route needs a token")
    return caller


Opened = Annotated[Registry, Depends(registry_of)]
Known = Annotated[Caller, Depends(caller_of)]


def guarded(*tags: str, prefix: str = "") -> APIRouter:
    """A router whose routes are all reached through `authorise`."""
    return APIRouter(prefix=prefix, tags=[*tags], dependencies=[Depends(authorise)])
