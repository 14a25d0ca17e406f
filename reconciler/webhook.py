"""Receives "something was pushed" and believes nothing of it but that it is time to look.

Who sends must have the secret (`core.webhooks`); nothing in the body is read. Whole plans, which
comments on pull requests link to, are served beside it, and liveness and metrics.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reconciler.core import webhooks
from reconciler.core.webhooks import Event

BODY_LIMIT = 256 * 1024
# Hints only save waiting, so nobody needs more of them.
_A_SECOND, _AT_ONCE = 10.0, 60.0
_AS_TEXT = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose webhooks are taken: the kind of forge, empty for any, and the shared secret."""

    forge: str
    secret: bytes


class Allowance:
    """So many calls at once, and so many more each second."""

    def __init__(self, watch: Callable[[], float] = time.monotonic) -> None:
        self._watch = watch
        self._left, self._at = _AT_ONCE, watch()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = self._watch()
        self._left = min(_AT_ONCE, self._left + (now - self._at) * _A_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def create_app(
    *,
    sender: Sender,
    hint: Callable[[Event], None],
    metrics: CollectorRegistry,
    plan: Callable[[str], bytes | None] = lambda _: None,
    clock: Callable[[], float] = time.time,
    more: Sequence[Route] = (),
) -> Starlette:
    """`POST /webhook` calls `hint` when `sender` sent it; `/livez` and `/metrics` are open, and
    `/plans/{name}` to who knows the name."""
    allowance = Allowance()

    async def webhook(request: Request) -> Response:
        if not allowance.take():
            return _refusal(429, "too many webhooks", "wait: what is missed is polled for")
        body = await _body(request)
        if body is None:
            return _refusal(413, "the body is too large", f"send at most {BODY_LIMIT} bytes")
        headers, secret = dict(request.headers), sender.secret
        if not webhooks.is_genuine(sender.forge, headers, body, secret=secret, now=clock()):
            fix = "set the same secret here and at the forge"
            return _refusal(401, "the signature is missing or wrong", fix)
        found = webhooks.event(headers)
        if found is not Event.OTHER:
            hint(found)
        return JSONResponse({"accepted": True, "event": found.value}, status_code=202)

    async def whole(request: Request) -> Response:
        text = plan(str(request.path_params["name"]))
        if text is None:
            return _refusal(404, "there is no such plan", "the request was closed, or planned anew")
        return Response(text, media_type="text/plain; charset=utf-8", headers=_AS_TEXT)

    return Starlette(
        routes=[
            Route("/webhook", webhook, methods=["POST"]),
            Route("/plans/{name}", whole),
            Route("/livez", _livez),
            Route("/metrics", _exposition(metrics)),
            *more,
        ]
    )


def sign(body: bytes, secret: bytes) -> str:
    """The value of `X-Hub-Signature-256` for `body`."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


async def _livez(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _exposition(metrics: CollectorRegistry) -> Callable[[Request], Response]:
    def exposition(_: Request) -> Response:
        return Response(generate_latest(metrics), media_type="text/plain; version=0.0.4")

    return exposition


async def _body(request: Request) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _refusal(status: int, detail: str, fix: str) -> Response:
    return JSONResponse(
        {"status": status, "detail": detail, "fix": fix},
        status_code=status,
        media_type="application/problem+json",
    )
