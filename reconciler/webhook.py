"""Receives "something was pushed" and believes nothing of it but that it is time to look.

The body must carry an HMAC-SHA256 of the shared secret, as GitHub, Gitea and Forgejo send it
(`X-Hub-Signature-256`), or the secret itself as GitLab does (`X-Gitlab-Token`). Nothing in the
body is read. Liveness and metrics are served beside it.
"""

import hashlib
import hmac
from collections.abc import Callable

from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

BODY_LIMIT = 256 * 1024


def create_app(*, secret: bytes, hint: Callable[[], None], metrics: CollectorRegistry) -> Starlette:
    """`POST /webhook` calls `hint` when signed with `secret`; `/livez` and `/metrics` are open."""

    async def webhook(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return _refusal(413, "the body is too large", f"send at most {BODY_LIMIT} bytes")
        if not secret or not _signed(request, body, secret):
            return _refusal(
                401,
                "the signature is missing or wrong",
                "set the same secret here and at the forge",
            )
        hint()
        return JSONResponse({"accepted": True}, status_code=202)

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def exposition(_: Request) -> Response:
        return Response(generate_latest(metrics), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[
            Route("/webhook", webhook, methods=["POST"]),
            Route("/livez", livez),
            Route("/metrics", exposition),
        ]
    )


def sign(body: bytes, secret: bytes) -> str:
    """The value of `X-Hub-Signature-256` for `body`."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def _signed(request: Request, body: bytes, secret: bytes) -> bool:
    given = request.headers.get("x-hub-signature-256", "").encode()
    token = request.headers.get("x-gitlab-token", "").encode()
    by_signature = hmac.compare_digest(given, sign(body, secret).encode())
    return by_signature or hmac.compare_digest(token, secret)


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
