"""The pages' routes. They read; the only thing they write is a browser's own cookie."""

import pathlib
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from registry import errors
from registry.pages import (
    COOKIE,
    deployments,
    host_pages,
    log_pages,
    model_pages,
    moving_pages,
    overview,
    policy_pages,
    rendering,
)
from registry.usecases import access, pacing
from registry.usecases.opening import Registry
from registry.usecases.pacing import Pace

router = APIRouter(include_in_schema=False)
for pages in (
    overview,
    deployments,
    host_pages,
    model_pages,
    moving_pages,
    policy_pages,
    log_pages,
):
    router.include_router(pages.router, dependencies=[Depends(rendering.marked)])

_STATIC = pathlib.Path(__file__).parent / "static"


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
