"""How large a request's body may be. Uploads count for themselves; the rest are documents."""

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_UPLOADS = "/v1/uploads/"


class BodyLimit:
    """ASGI middleware; stops reading a document that is over `max_bytes`."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UPLOADS):
            await self.app(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                # FastAPI lets only its own exception through while it reads a body.
                raise HTTPException(413, f"the document is over {self.max_bytes} bytes")
            return message

        await self.app(scope, limited, send)
