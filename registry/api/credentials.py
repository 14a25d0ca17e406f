"""What a request shows of who sends it: a bearer token, a password, a cookie, a certificate."""

import base64

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from registry.core.identity import Identity
from registry.pages.router import COOKIE
from registry.usecases import access
from registry.usecases.opening import Registry


async def identity(request: Request, registry: Registry) -> Identity:
    """Who sends it; raises Unauthenticated."""
    shown = secret(request)
    known = access.remembered(registry, shown)
    if known is not None:
        return known
    return await run_in_threadpool(access.recognise, registry, shown)


def secret(request: Request) -> str:
    """The token: after Bearer, or as the password of Basic, or a browser's cookie; or nothing."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            return _password(value)
        case _:
            return _cookie(request)


def _password(value: str) -> str:
    """What many tools can send: any name, and the token for a password."""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (ValueError, UnicodeDecodeError):
        return ""


def _cookie(request: Request) -> str:
    """A browser's token: only for reading, so that no other site can make it act."""
    return request.cookies.get(COOKIE, "") if request.method == "GET" else ""
