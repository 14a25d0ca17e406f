"""Around every request: an id in answer and log, one line of access log, and its numbers.

A token is in a header, and no header is logged; paths are logged, queries are not.
"""

import asyncio
import secrets
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.api.metrics import Metrics
from registry.api.sendfile import EXTENSION

_LOG = structlog.get_logger("registry.access")
# Asked every few seconds by machines: logged only when they fail.
_QUIET = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
_PATH_LIMIT = 300


class Observing:
    """ASGI middleware; it touches no body."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope["plimsoll_request_id"] = request_id
        # Of this request alone: the server runs each in a task with a context of its own.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began, status, sent = time.monotonic(), 500, 0

        async def observed(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"request-id", request_id.encode()))
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            elif message["type"] == EXTENSION:
                sent += message["count"]
            await send(message)

        try:
            await self.app(scope, receive, observed)
        finally:
            # In the loop's next turn: in this one the answer is not yet on its way.
            took = time.monotonic() - began
            asyncio.get_running_loop().call_soon(self._note, scope, status, sent, took)

    def _note(self, scope: Scope, status: int, sent: int, elapsed: float) -> None:
        # Templates, not paths: a label for each model would grow without end.
        route = getattr(scope.get("route"), "path", "unknown")
        self.metrics.answered(scope["method"], route, status, sent=sent, seconds=elapsed)
        # Without a configuration structlog would write to stdout, which is for results.
        if structlog.is_configured() and not (route in _QUIET and status < 500):
            caller = scope.get("state", {}).get("caller")
            _LOG.info(
                "request",
                method=scope["method"],
                route=route,
                path=scope["path"][:_PATH_LIMIT],
                status=status,
                ms=round(elapsed * 1000, 1),
                bytes=sent,
                actor=caller.actor if caller else "",
            )
