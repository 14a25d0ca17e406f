"""The pages' routes. They read; the only thing they write is a browser's own cookie."""

import pathlib
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from registry import errors
from registry.db.summaries import Summary
from registry.pages import (
    COOKIE,
    cards,
    deployments,
    drawing,
    evidence,
    models,
    overview,
    rendering,
    views,
)
from registry.usecases import access, catalogue, lineage, log, pacing, search
from registry.usecases.opening import Registry
from registry.usecases.pacing import Pace

router = APIRouter(include_in_schema=False)
router.include_router(overview.router)
router.include_router(deployments.router)

_LATEST = 12
_MODELS = 50
_PAGE = 50
_STATIC = pathlib.Path(__file__).parent / "static"


@router.get("/models")
def listed(
    request: Request,
    filter_: Annotated[str, Query(alias="filter", max_length=4000)] = "",
    page: Annotated[str, Query(max_length=4000)] = "",
) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    scope = request.state.caller.scope
    asked = search.Asked(filter_, limit=_MODELS, token=page, scope=scope)
    found, problem = _searched(registry, asked)
    return rendering.page(
        request,
        "models.html",
        models=[models.glance(one, now) for one in found.items],
        next_page=rendering.address(request, page=found.token) if found.token else None,
        filter=filter_,
        problem=problem,
        now=now,
        drawn={"is_first": not page},
        status=422 if problem else 200,
    )


def _searched(registry: Registry, asked: search.Asked) -> tuple[search.Found[Summary], str]:
    """What was found, and what is wrong with what was typed."""
    try:
        return search.models(registry, asked), ""
    except errors.InvalidInput as error:
        return search.Found((), None), f"{error.detail}. {error.fix}".rstrip(". ") + "."


@router.get("/models/{name}")
def model(request: Request, name: str) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    logged = catalogue.latest(registry, limit=_LATEST, model_name=name)
    return rendering.page(
        request,
        "model.html",
        model=models.model(catalogue.model(registry, name), now),
        entries=[views.entry(one, now) for one in logged],
        now=now,
    )


@router.get("/models/{name}/versions/{version}")
def version(request: Request, name: str, version: Annotated[int, Path(gt=0, lt=2**63)]) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    traced = lineage.trace(registry, name, version)
    return rendering.page(
        request,
        "version.html",
        version=models.version(traced.subject, now),
        lineage=drawing.draw(traced),
        evidence=evidence.statements(catalogue.shown(registry, name, version).evidence, now),
        card=cards.render(catalogue.card(registry, name, version)),
        now=now,
    )


@router.get("/log")
def log_page(
    request: Request, before: Annotated[int | None, Query(ge=0, lt=2**63)] = None
) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    shown = catalogue.latest(registry, limit=_PAGE, before=before)
    return rendering.page(
        request,
        "log.html",
        entries=[views.entry(one, now) for one in shown],
        older=shown[-1].index if shown and shown[-1].index else None,
        is_newest=before is None,
        checkpoint=log.checkpoint(registry),
        now=now,
    )


@router.get("/login")
def login_form(request: Request) -> Response:
    return rendering.page(request, "login.html", refused=None)


@router.post("/login")
async def login(request: Request) -> Response:
    """Keep the token in a cookie that scripts cannot read and other sites cannot send."""
    if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        raise errors.Forbidden("this form was sent by another site")
    form = parse_qs((await request.body()).decode(errors="replace"))
    secret = form.get("token", [""])[0].strip()
    failures: Pace = request.app.state.failures
    address = pacing.of_address(request.client.host if request.client else "")
    try:
        failures.require_room(address, "wrong tokens from this address")
        access.recognise(_registry(request), secret)
    except errors.RateLimited as refused:
        return rendering.page(request, "login.html", refused=refused.detail, status=429)
    except errors.Unauthenticated as refused:
        failures.count(address)
        return rendering.page(request, "login.html", refused=refused.detail, status=401)
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(
        COOKIE, secret, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return answer


@router.post("/logout")
def logout() -> Response:
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


@router.get("/static/{name}")
def static(name: str) -> Response:
    known = {file.name: file for file in _STATIC.iterdir()}
    if name not in known:
        raise errors.NotFound(f"no file {name[:80]!r}")
    return FileResponse(known[name], headers={"Cache-Control": "max-age=300"})


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry
