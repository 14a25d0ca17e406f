"""`POST /labels` beside the webhook: what was right, from who shows the token for it."""

import hmac
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.measuring import posting
from registry import errors

BODY_LIMIT = 256 * 1024


def route(doors: posting.Doors, token: Callable[[], bytes]) -> Route:
    """`token` is asked each time, so a new one holds at once; an empty one lets nobody in."""

    async def labels(request: Request) -> Response:
        try:
            _authenticate(request, token())
            body = await _body(request)
            return JSONResponse(await run_in_threadpool(posting.post, doors, body))
        except errors.PlimsollError as error:
            document = {
                "status": error.status, "code": error.code, "detail": error.detail,
                "fix": error.fix,
            }  # fmt: skip
            return JSONResponse(document, error.status, media_type="application/problem+json")

    return Route("/labels", labels, methods=["POST"])


def _authenticate(request: Request, token: bytes) -> None:
    given = request.headers.get("authorization", "").encode()
    if not token or not hmac.compare_digest(given, b"Bearer " + token):
        raise errors.Unauthenticated(
            "the labels' token is missing or wrong",
            fix="send 'Authorization: Bearer' with the content of labels_token_file",
        )


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise errors.TooLarge(
                f"the body is over {BODY_LIMIT} bytes", fix="post fewer labels at once"
            )
    return bytes(body)
