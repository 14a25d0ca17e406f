"""Every error as RFC 9457 problem+json, and as a page for people: ours, FastAPI's, any other."""

import math
import traceback
from urllib.parse import urlencode

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from registry import errors
from registry.api import dialects
from registry.core import problem as documents
from registry.core.canonical import Json
from registry.core.identity import Identity
from registry.errors import PlimsollError
from registry.pages import guarding
from registry.usecases.refusals import Refusal

_LOG = structlog.get_logger("registry.api")
_BY_STATUS = {
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    413: errors.TooLarge,
    422: errors.InvalidInput,
}


def install(app: FastAPI) -> None:
    """Make `app` answer all errors in this one form."""
    app.add_exception_handler(PlimsollError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _nobody_there)
    app.add_exception_handler(Exception, _unexpected)


def problem(
    request: Request, error: PlimsollError, *, status: int | None = None, code: str | None = None
) -> Response:
    """The answer that says `error`; an extra `requestId` finds it in the server's log."""
    request.app.state.metrics.refused(error)
    if isinstance(error, errors.Unauthenticated | errors.Forbidden):
        _note(request, error)
    document = documents.document(error)
    document["requestId"] = request.scope.get("plimsoll_request_id", "")
    if status is not None and code is not None:
        document |= {"status": status, "code": code, "title": code.replace("_", " ")}
    answer: Response
    if dialects.is_mlflow(request.url.path):
        from registry.api import mlflow_wire  # noqa: PLC0415  heavy, and not spoken by all

        answer = mlflow_wire.refusal(error, status=status)
    elif dialects.is_oci(request.url.path):
        from registry.api import oci_wire  # noqa: PLC0415  likewise

        answer = oci_wire.refusal(request, error, status=status)
    elif _is_for_people(request):
        answer = _page(request, document, status=status or error.status)
    else:
        answer = JSONResponse(
            document, status_code=status or error.status, media_type=documents.MEDIA_TYPE
        )
    if isinstance(error, errors.RateLimited):
        answer.headers["Retry-After"] = str(math.ceil(error.after))
    if answer.status_code == 401:
        answer.headers["WWW-Authenticate"] = _challenge(request)
    return answer


def _is_for_people(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    is_twin = request.query_params.get("format") == "json"
    is_page = request.method == "GET" or guarding.is_form(request)
    return is_page and "text/html" in accepted and not is_twin


def _page(request: Request, document: dict[str, Json], *, status: int) -> Response:
    from registry.pages import rendering  # noqa: PLC0415  templates are loaded for people only

    return rendering.page(
        request,
        "problem.html",
        status=status,
        title=str(document.get("title") or "problem").capitalize(),
        detail=str(document.get("detail") or ""),
        fix=str(document.get("fix") or ""),
        code=str(document.get("code") or ""),
        request_id=str(document["requestId"]),
    )


def _note(request: Request, error: PlimsollError) -> None:
    """Every refusal is in the process's log; those of somebody who tried, in the log of all."""
    identity: Identity | None = getattr(request.state, "identity", None)
    actor = identity.actors if identity is not None else "unknown"
    path = getattr(request.scope.get("route"), "path", "unknown")
    route = f"{request.method} {path.replace(':path}', '}')}"
    if structlog.is_configured():
        address = request.client.host if request.client else ""
        _LOG.warning(
            "refused",
            code=error.code,
            detail=error.detail,
            actor=actor,
            route=route,
            address=address,
        )
    if identity is not None or getattr(request.state, "has_shown", False):
        request.app.state.refusals.note(Refusal(actor, error.code, route))


def _challenge(request: Request) -> str:
    """Both forms are taken everywhere; OCI clients send a password only where they are asked to."""
    scheme = "Basic" if dialects.is_oci(request.url.path) else "Bearer"
    return f'{scheme} realm="plimsoll"'


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, PlimsollError)  # noqa: S101  what this handler was installed for
    wants_page = "text/html" in request.headers.get("accept", "")
    is_page = request.method == "GET" or guarding.is_form(request)
    if isinstance(error, errors.Unauthenticated) and wants_page and is_page:
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        place = "/login" if back == "/" else f"/login?{urlencode({'back': back})}"
        return RedirectResponse(place, status_code=303)
    if error.status >= 500:
        _LOG.warning("refused", code=error.code, detail=error.detail, path=request.url.path)
    return problem(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  as above
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    said = errors.InvalidInput(
        f"{where}: {first['msg']}", fix="see GET /openapi.json for what this call takes"
    )
    return problem(request, said)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  as above
    kind = _BY_STATUS.get(error.status_code, PlimsollError)
    said = kind(f"{request.method} {request.url.path}: {error.detail}")
    code = None if error.status_code in _BY_STATUS else f"http_{error.status_code}"
    answer = problem(request, said, status=error.status_code, code=code)
    answer.headers.update(error.headers or {})
    return answer


async def _nobody_there(request: Request, _error: Exception) -> Response:
    """The sender hung up; only the metrics will see this status."""
    return Response(status_code=499)


async def _unexpected(request: Request, error: Exception) -> Response:
    # The plain traceback: a pretty one would show the values of variables, tokens among them.
    told = "".join(traceback.format_exception(error))
    _LOG.error("unexpected", path=request.url.path, traceback=told)
    said = PlimsollError(
        "the registry failed in a way it did not expect",
        fix="report it with this requestId; the server's log says more",
    )
    return problem(request, said)
