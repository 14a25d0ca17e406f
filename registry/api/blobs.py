"""Blobs out: whole or in part, by the kernel where it can, or from the object store itself.

A blob never changes. `answer` is how every dialect of this registry sends one.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from registry import errors
from registry.api.access import Opened
from registry.api.sendfile import EXTENSION
from registry.core import digest as digests
from registry.errors import PlimsollError
from registry.store.blobs import BLOCK, BlobStore
from registry.usecases import transfers
from registry.usecases.opening import Registry

router = APIRouter(tags=["blobs"])

_LOG = structlog.get_logger("registry.api")

_BYTES = "application/octet-stream"
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)
_DIRECT = "Fetch from the object store: the answer redirects there, if the store offers it"


@router.api_route("/v1/blobs/{digest}", methods=["GET"], summary="Download a blob, or a range")
@router.api_route("/v1/blobs/{digest}", methods=["HEAD"], summary="Ask whether a blob is here")
async def blob(
    request: Request,
    registry: Opened,
    digest: str,
    range_: Annotated[str | None, Header(alias="Range")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
    direct: Annotated[bool | None, Query(description=_DIRECT)] = None,
) -> Response:
    return await answer(request, registry, digest, is_direct=direct)


async def answer(
    request: Request, registry: Registry, digest: str, *, is_direct: bool | None = None
) -> Response:
    """The answer to a GET or HEAD of a blob, as the request's own headers want it.

    `is_direct` None leaves it to the settings whether to redirect. Raises NotFound, OutOfOrder.
    """
    digests.parse(digest)
    size = await run_in_threadpool(transfers.size, registry, digest)
    if size is None:
        raise errors.NotFound(f"no blob {digest}", fix="upload it first, or check the digest")
    etag = f'"{digest}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Docker-Content-Digest": digest,
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    span, status = (0, size), 200
    wanted = request.headers.get("range")
    if wanted is not None and request.headers.get("if-range") in (None, etag):
        span, status = _span(wanted, size), 206
        headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{size}"
    headers["Content-Length"] = str(span[1] - span[0])
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=_BYTES)
    if registry.settings.direct_downloads if is_direct is None else is_direct:
        link = await run_in_threadpool(transfers.link, registry, digest)
        if link is not None:
            return _elsewhere(link)
        headers["Direct-Transfer"] = "not offered"
    return Sending(registry.blobs, digest, span, status_code=status, headers=headers)


class Sending(StreamingResponse):
    """Bytes of a blob, by sendfile where the server and the store can do that."""

    media_type = _BYTES

    def __init__(
        self,
        blobs: BlobStore,
        digest: str,
        span: tuple[int, int],
        *,
        status_code: int,
        headers: dict[str, str],
    ) -> None:
        super().__init__((), status_code, headers)
        self.blobs = blobs
        self.digest = digest
        self.span = span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, stop = self.span
        is_offered = EXTENSION in (scope.get("extensions") or {})
        file = self.blobs.open(self.digest) if is_offered and stop - start >= BLOCK else None
        if file is None:
            await super().__call__(scope, receive, send)
            return
        try:
            await self._begin(send)
            with self._breaking_off():
                count = stop - start
                await send({"type": EXTENSION, "file": file, "offset": start, "count": count})
        finally:
            os.close(file)

    async def stream_response(self, send: Send) -> None:
        blocks = self.blobs.read(self.digest, *self.span)
        first = await anext(blocks, b"")  # a store that is away is still an answer of its own
        await self._begin(send)
        with self._breaking_off():
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for block in blocks:
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self, send: Send) -> None:
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})

    @contextmanager
    def _breaking_off(self) -> Iterator[None]:
        """With the head out, all that can be said is to hang up: the answer ends too early."""
        try:
            yield
        except PlimsollError as error:
            _LOG.warning("download broken off", digest=self.digest, detail=error.detail)


def _elsewhere(link: str) -> Response:
    # Whoever stored this answer would follow it when the link is dead.
    headers = {"Location": link, "Cache-Control": "no-store"}
    return Response(status_code=307, headers=headers)


def _span(text: str, size: int) -> tuple[int, int]:
    """The (start, stop) that one Range asks for; raises OutOfOrder where there is nothing."""
    form = _RANGE.fullmatch(text.strip())
    if form is not None and form[1] and int(form[1]) < size:
        last = int(form[2]) if form[2] else size - 1
        if last >= int(form[1]):
            return int(form[1]), min(last + 1, size)
    if form is not None and not form[1] and form[2] and int(form[2]) and size:
        return max(size - int(form[2]), 0), size
    raise errors.OutOfOrder(
        f"Range {text[:60]!r} has no byte of a blob of {size}",
        fix="ask for one range of bytes inside the blob, such as bytes=0-1023",
    )
