"""Who may call what, in one table. A route that is not in it is closed to everybody."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from registry import errors
from registry.pages.router import COOKIE
from registry.usecases import access
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry

_ALL = frozenset(Role)
_PUBLISHERS = frozenset({Role.ADMIN, Role.PUBLISHER})
_RECONCILERS = frozenset({Role.ADMIN, Role.RECONCILER})
_REPORTERS = frozenset({Role.ADMIN, Role.RECONCILER, Role.HOST})

OPEN = frozenset(
    {
        "GET /livez",
        "GET /readyz",
        "GET /healthz",
        "GET /metrics",
        "GET /log/checkpoint",
        "GET /log/entries",
        "GET /log/proof/{index}",
        "GET /log/consistency",
        "GET /log/tile/entries/{path}",
        "GET /log/tile/{level}/{path}",
        "GET /login",
        "POST /login",
        "POST /logout",
        "GET /static/{name}",
    }
)

ALLOWED: dict[str, frozenset[Role]] = {
    "POST /v1/uploads": _PUBLISHERS,
    "GET /v1/uploads/{upload}": _PUBLISHERS,
    "PATCH /v1/uploads/{upload}": _PUBLISHERS,
    "PUT /v1/uploads/{upload}": _PUBLISHERS,
    "DELETE /v1/uploads/{upload}": _PUBLISHERS,
    "GET /v1/blobs/{digest}": _ALL,
    "HEAD /v1/blobs/{digest}": _ALL,
    "GET /v1/models": _ALL,
    "GET /v1/models/{name}": _ALL,
    "POST /v1/models/{name}/versions": _PUBLISHERS,
    "GET /v1/models/{name}/versions/{version}": _ALL,
    "GET /v1/models/{name}/versions/{version}/bundle": _ALL,
    "GET /v1/models/{name}/aliases/{alias}": _ALL,
    "PUT /v1/models/{name}/aliases/{alias}": _PUBLISHERS,
    "DELETE /v1/models/{name}/aliases/{alias}": _PUBLISHERS,
    "POST /v1/events": _REPORTERS,
    "GET /v1/deployments": _ALL,
    "GET /v1/deployments/{environment}/{name}": _ALL,
    "PUT /v1/deployments/{environment}/{name}": _RECONCILERS,
    "DELETE /v1/deployments/{environment}/{name}": _RECONCILERS,
    "POST /v1/tokens": _RECONCILERS,
    "GET /v1/trust": _ALL,
    "GET /openapi.json": _ALL,
    "GET /": _ALL,
    "GET /log": _ALL,
    "GET /models/{name}": _ALL,
}

_bearer = HTTPBearer(auto_error=False, description="A token of this registry: `plm_…`")


def registry_of(request: Request) -> Registry:
    """The open registry of this application."""
    registry: Registry = request.app.state.registry
    return registry


def authorise(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller | None:
    """The caller, None on an open route; raises Unauthenticated or Forbidden."""
    route = f"{request.method} {request.scope['route'].path.replace(':path}', '}')}"
    if route in OPEN:
        return None
    secret = credentials.credentials if credentials else _cookie(request)
    caller = access.recognise(registry_of(request), secret)
    if caller.role not in ALLOWED.get(route, frozenset()):
        raise errors.Forbidden(
            f"a token of role {caller.role} may not {route}",
            fix="use a token with a role that may, or ask an admin for one",
        )
    request.state.caller = caller
    return caller


def caller_of(caller: Annotated[Caller | None, Depends(authorise)]) -> Caller:
    """The caller of a route that is not open."""
    if caller is None:
        raise errors.Unauthenticated("this route needs a token")
    return caller


def _cookie(request: Request) -> str:
    """A browser's token: only for reading, so that no other site can make it act."""
    return request.cookies.get(COOKIE, "") if request.method == "GET" else ""


Opened = Annotated[Registry, Depends(registry_of)]
Known = Annotated[Caller, Depends(caller_of)]
