"""What a browser's forms bring, the cookies it keeps, and what keeps other sites from sending them.

A cookie is good for reading alone; the two forms there are, to sign in and out, count only when the
browser says that one of our own pages sent them.
"""

from urllib.parse import parse_qsl, urlsplit

from fastapi import Request, Response

from registry import errors
from registry.pages import COOKIE

SESSION = "plimsoll_session"
ATTEMPT = "plimsoll_sign_in"
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
