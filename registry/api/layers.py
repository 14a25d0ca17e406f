"""Layers of composed images on their way out: put together of stored files, whole or in part."""

import os

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from registry.api.sendfile import EXTENSION
from registry.api.sending import BYTES, Streaming, breaking_off, span_of
from registry.core import layer
from registry.core.layer import Cut
from registry.store.blobs import BLOCK
from registry.usecases import images
from registry.usecases.images import Layer
from registry.usecases.opening import Registry


async def answer(request: Request, registry: Registry, found: Layer) -> Response:
    """The answer to a GET or HEAD of a layer; raises Forbidden, OutOfOrder."""
    await run_in_threadpool(images.require_given, registry, found, request.state.caller)
    etag = f'"{found.digest}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Docker-Content-Digest": found.digest,
    }
    span, status = (0, found.size), 200
    wanted = request.headers.get("range")
    if wanted is not None and request.headers.get("if-range") in (None, etag):
        span, status = span_of(wanted, found.size), 206
        headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{found.size}"
    headers["Content-Length"] = str(span[1] - span[0])
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=BYTES)
    return SendingLayer(registry, found, span, status, headers)


class SendingLayer(Streaming):
    """A span of a layer: its files by sendfile, where server and store can do that."""

    def __init__(
        self,
        registry: Registry,
        found: Layer,
        span: tuple[int, int],
        status: int,
        headers: dict[str, str],
    ) -> None:
        blocks = images.read(registry, found, *span)
        super().__init__(found.digest, blocks, status_code=status, headers=headers)
        self.registry, self.found, self.span = registry, found, span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if EXTENSION not in (scope.get("extensions") or {}):
            await super().__call__(scope, receive, send)
            return
        await self.begin(send)
        with breaking_off(self.digest):
            for cut in layer.cuts(self.found.segments, *self.span):
                await self._send_cut(send, cut)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_cut(self, send: Send, cut: Cut) -> None:
        count = cut.stop - cut.start
        if isinstance(cut.segment, bytes):
            await _send(send, cut.segment[cut.start : cut.stop])
            return
        blobs, digest = self.registry.blobs, cut.segment.digest
        file = blobs.open(digest) if count >= BLOCK else None
        if file is None:
            async for block in blobs.read(digest, cut.start, cut.stop):
                await _send(send, block)
            return
        try:
            part = {"file": file, "offset": cut.start, "count": count}
            await send({"type": EXTENSION, **part, "more_body": True})
        finally:
            os.close(file)


async def _send(send: Send, block: bytes) -> None:
    await send({"type": "http.response.body", "body": block, "more_body": True})
