"""What a person asks of a deployment: a form with a reason, kept for a reconciler to take.

The registry does none of it itself. The page of the deployment shows how far a request has come.
"""

import secrets
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from registry import errors
from registry.core import asking
from registry.db.tables_log import Deployment
from registry.pages import asked, guarding, rendering
from registry.usecases import catalogue, requests, scoping
from registry.usecases.opening import Registry

router = APIRouter(include_in_schema=False)

Slug = Annotated[str, Path(max_length=128)]
Word = Annotated[str, Query(max_length=32)]
Asked = Annotated[int, Query(ge=0, lt=2**63)]


@router.get("/deployments/{environment}/{name}/ask")
def form(
    request: Request, environment: Slug, name: Slug, verb: Word, version: Asked = 0
) -> Response:
    found = _deployment(request, environment, name)
    asking.require_verb(verb)
    return _form(request, found, {"verb": verb, "version": str(version or "")})


@router.post("/deployments/{environment}/{name}/ask")
def ask(request: Request, environment: Slug, name: Slug) -> Response:
    found, said = _deployment(request, environment, name), request.state.form
    verb = asking.require_verb(said.get("verb", ""))
    try:
        number = said.get("version", "").strip()
        wanted = requests.Wanted(
            said.get("id", ""),
            environment,
            name,
            verb,
            said.get("reason", ""),
            _version(number) if number else None,
        )
        requests.ask(_registry(request), wanted, request.state.caller)
    except errors.PlimsollError as refused:
        return _form(request, found, said, refused)
    return RedirectResponse(f"/deployments/{environment}/{name}#requests", status_code=303)


def _form(
    request: Request,
    found: Deployment,
    said: dict[str, str],
    refused: errors.PlimsollError | None = None,
) -> Response:
    """With what was typed, and why it was refused, if it was."""
    place = f"{found.environment}/{found.name}"
    return rendering.page(
        request,
        "ask_form.html",
        status=200 if refused is None else refused.status,
        refused="" if refused is None else refused.detail,
        fix="" if refused is None else refused.fix,
        deployment=place,
        fields={name: said.get(name, "") for name in ("verb", "version", "reason")},
        back=f"/deployments/{place}",
        drawn={
            "token": guarding.token(request, request.url.path),
            "id": secrets.token_hex(16),
            "takes_version": said.get("verb") in asked.OF_A_VERSION,
        },
    )


def _deployment(request: Request, environment: str, name: str) -> Deployment:
    """Raises NotFound, and Forbidden where its model is not the caller's."""
    found = catalogue.deployment(_registry(request), environment, name)
    scoping.require(_registry(request), request.state.caller, catalogue.model_of(found))
    return found


def _version(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 2**63:
        raise errors.InvalidInput(f"{text[:20]!r} is no version", fix="write a version's number")
    return int(text)


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry
