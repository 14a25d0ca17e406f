"""The pages' routes. They read; the only thing they write is a browser's own cookie."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from registry import errors
from registry.pages import rendering, views
from registry.usecases import access, catalogue, log
from registry.usecases.opening import Registry

router = APIRouter(include_in_schema=False)

COOKIE = "plimsoll_token"
_LATEST = 12
_PAGE = 50
_STATIC = Path(__file__).parent / "static"


@router.get("/")
def overview(request: Request) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    return rendering.page(
        request,
        "overview.html",
        deployments=[views.deployment(row, now) for row in catalogue.deployments(registry)],
        models=[views.model(found, now) for found in catalogue.models(registry)],
        entries=[views.entry(one, now) for one in catalogue.latest(registry, limit=_LATEST)],
        log_size=log.size(registry),
        now=now,
    )


@router.get("/models/{name}")
def model(request: Request, name: str) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    found = catalogue.model(registry, name)
    logged = catalogue.latest(registry, limit=_LATEST, model_name=name)
    return rendering.page(
        request,
        "model.html",
        model=views.model(found, now),
        versions=[views.version(row, now) for row in found.versions],
        entries=[views.entry(one, now) for one in logged],
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
    try:
        access.recognise(_registry(request), secret)
    except errors.Unauthenticated as refused:
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
