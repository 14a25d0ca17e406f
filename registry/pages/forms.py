"""What a browser's forms bring, and what keeps other sites from sending them.

A browser's cookie is good for reading, and for those forms of ours that `FORMS` names. Such a form
counts only when the browser says that one of our own pages sent it, and when it brings a token
that is made of the cookie's secret: another site can neither read nor guess it.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request, Response

from registry import errors
from registry.pages import COOKIE

SESSION = "plimsoll_session"
ATTEMPT = "plimsoll_sign_in"
TOKEN = "form_token"  # noqa: S105  the name of a field
_LIMIT = 64 * 1024
_MOST = 100


def is_secure(request: Request) -> bool:
    """Whether the browser reaches us by TLS, ours or a proxy's."""
    url: str = request.app.state.registry.settings.url
    return request.url.scheme == "https" or url.startswith("https://")


def cookie_name(name: str, *, secure: bool) -> str:
    """By TLS under a prefix with which browsers refuse it from anybody but this very host."""
    return f"__Host-{name}" if secure else name


def cookie(request: Request) -> str:
    """The secret of who is signed in: a session's, or a token; or nothing."""
    session = request.cookies.get(cookie_name(SESSION, secure=is_secure(request)), "")
    return session or request.cookies.get(COOKIE, "")


def keep(request: Request, answer: Response, name: str, value: str, *, seconds: int) -> None:
    """A cookie that no script reads, and that other sites send with a mere link to us alone."""
    secure = is_secure(request)
    answer.set_cookie(
        cookie_name(name, secure=secure),
        value,
        max_age=seconds,
        httponly=True,
        samesite="lax",
        secure=secure,
    )


def forget(request: Request, answer: Response, name: str) -> None:
    secure = is_secure(request)
    answer.delete_cookie(
        cookie_name(name, secure=secure), httponly=True, samesite="lax", secure=secure
    )


def token(request: Request) -> str:
    """What our forms bring for whoever is signed in here."""
    secret = cookie(request)
    return hmac.digest(secret.encode(), b"plimsoll form", hashlib.sha256).hex() if secret else ""


def require_own_page(request: Request) -> None:
    """Raise Forbidden where the browser says that another site sent this form."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        is_ours = site in {"same-origin", "none"}
    else:
        # Browsers from before 2023 send this alone; programs neither, and no cookie of ours.
        is_ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not is_ours:
        raise errors.Forbidden("this form was sent by another site")


def require_token(request: Request, form: Mapping[str, str]) -> None:
    """Raise Forbidden for a form that no page of ours gave to this very browser."""
    wanted, brought = token(request), form.get(TOKEN, "")
    if not wanted or not hmac.compare_digest(wanted.encode(), brought.encode()):
        raise errors.Forbidden(
            "this form is not from a page that you were shown since you signed in",
            fix="go back, load the page again, and fill it in once more",
        )


async def read(request: Request) -> dict[str, str]:
    """The fields of a form; of one that stands twice, the first. Raises TooLarge, InvalidInput."""
    body = await request.body()
    if len(body) > _LIMIT:
        raise errors.TooLarge(f"the form has {len(body)} bytes, at most {_LIMIT} are read")
    try:
        pairs = parse_qsl(
            body.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MOST
        )
    except ValueError as error:
        raise errors.InvalidInput(f"the form cannot be read: {error}") from error
    return dict(reversed(pairs))
