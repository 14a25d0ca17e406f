"""How large a request's body may be. Uploads count for themselves; the rest are documents."""

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.api import dialects
from registry.core import oci

_UPLOADS = ("/v1/uploads", "/v1/blobs", "/api/2.0/mlflow-artifacts/artifacts/")


class BodyLimit:
    """ASGI middleware; stops reading a document that is over `max_bytes`."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_upload(scope["path"]):
            await self.app(scope, receive, send)
            return
        # What an OCI registry must take is not for this one to choose.
        most = oci.MANIFEST_LIMIT if dialects.is_oci_manifest(scope["path"]) else self.max_bytes
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                # FastAPI lets only its own exception through while it reads a body.
                raise HTTPException(413, f"the document is over {most} bytes")
            return message

        await self.app(scope, limited, send)


def _is_upload(path: str) -> bool:
    return path.startswith(_UPLOADS) or dialects.is_oci_upload(path)
