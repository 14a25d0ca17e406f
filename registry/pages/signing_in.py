"""Signing in, by a token or at an identity provider, and out.

They write nothing but a browser's own cookies, and the session that a cookie stands for.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from registry import errors
from registry.core import sign_in
from registry.pages import COOKIE, forms, rendering
from registry.usecases import access, pacing, sessions
from registry.usecases.opening import Registry
from registry.usecases.pacing import Pace

router = APIRouter(include_in_schema=False)
_LOG = structlog.get_logger("registry.access")


@router.get("/login")
def login_form(request: Request, back: str = "/") -> Response:
    return _form(request, back=back)


@router.post("/login")
async def login(request: Request) -> Response:
    """Keep the token in a cookie that scripts cannot read and other sites cannot send."""
    forms.require_own_page(request)
    form = await forms.read(request)
    secret, back = form.get("token", "").strip(), form.get("back", "/")
    try:
        with _guess(request):
            access.recognise(_registry(request), secret)
    except errors.PlimsollError as refused:
        return _form(request, refused, back=back)
    answer = RedirectResponse(sign_in.local_path(back), status_code=303)
    answer.set_cookie(
        COOKIE, secret, httponly=True, samesite="strict", secure=forms.is_secure(request)
    )
    forms.forget(request, answer, forms.SESSION)
    return answer


@router.get("/login/with/{number}")
def leave(request: Request, number: int, back: str = "/") -> Response:
    """To an identity provider. A form would not do: our policy keeps forms from leading away."""
    try:
        begun = sessions.begin(_registry(request), number, back)
    except errors.PlimsollError as refused:
        return _form(request, refused, back=back)
    answer = RedirectResponse(begun.address, status_code=303)
    forms.keep(request, answer, forms.ATTEMPT, begun.cookie, seconds=int(sessions.ATTEMPT_S))
    return answer


@router.get("/login/callback")
def come_back(request: Request) -> Response:
    """From an identity provider, with its answer. Whatever it is, it counts once."""
    secure = forms.is_secure(request)
    begun = request.cookies.get(forms.cookie_name(forms.ATTEMPT, secure=secure), "")
    try:
        with _guess(request):
            signed_in = sessions.complete(_registry(request), begun, dict(request.query_params))
    except errors.PlimsollError as refused:
        _LOG.warning("sign-in refused", code=refused.code, detail=refused.detail)
        answer = _form(request, refused)
    else:
        _LOG.info("signed in", actor=signed_in.identity.actors)
        answer = RedirectResponse(signed_in.back, status_code=303)
        seconds = signed_in.seconds
        forms.keep(request, answer, forms.SESSION, signed_in.secret, seconds=seconds)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    forms.forget(request, answer, forms.ATTEMPT)
    return answer


@router.post("/logout")
def logout(request: Request) -> Response:
    """A session is over for whoever has its secret; a token stays good elsewhere."""
    forms.require_own_page(request)
    sessions.end(_registry(request), forms.cookie(request))
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    forms.forget(request, answer, forms.SESSION)
    return answer


@contextmanager
def _guess(request: Request) -> Iterator[None]:
    """Raises RateLimited for an address that guessed wrongly too often; counts wrong guesses."""
    failures: Pace = request.app.state.failures
    address = pacing.of_address(request.client.host if request.client else "")
    failures.require_room(address, "wrong tokens from this address")
    try:
        yield
    except errors.Unauthenticated:
        failures.count(address)
        raise


def _form(
    request: Request, refused: errors.PlimsollError | None = None, *, back: str = "/"
) -> Response:
    return rendering.page(
        request,
        "login.html",
        status=200 if refused is None else refused.status,
        refused=None if refused is None else refused.detail,
        fix="" if refused is None else refused.fix,
        providers=sessions.labels(_registry(request)),
        back=sign_in.local_path(back),
    )


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry
