"""Sends a blob's bytes: by sendfile where server and store can do that, as a stream otherwise."""

import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

import structlog
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from registry import errors
from registry.api.sendfile import EXTENSION
from registry.errors import PlimsollError
from registry.store.blobs import BLOCK, BlobStore

_LOG = structlog.get_logger("registry.api")
# What is smaller is read and written with the line before it.
_WORTH_IT = 64 * 1024
BYTES = "application/octet-stream"
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


class Streaming(StreamingResponse):
    """Blocks as they come; the head goes out only once there is a first one."""

    def __init__(
        self,
        digest: str,
        blocks: AsyncIterator[bytes | memoryview],
        *,
        status_code: int,
        headers: dict[str, str],
        media_type: str = BYTES,
    ) -> None:
        super().__init__((), status_code, headers, media_type)
        self.digest = digest
        self.blocks = blocks

    async def stream_response(self, send: Send) -> None:
        first = await anext(self.blocks, b"")  # a store that is away is an answer of its own
        await self.begin(send)
        with breaking_off(self.digest):
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for block in self.blocks:
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def begin(self, send: Send) -> None:
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})


class Sending(Streaming):
    """A span of a stored blob, as it is."""

    def __init__(
        self,
        blobs: BlobStore,
        digest: str,
        span: tuple[int, int],
        *,
        status_code: int,
        headers: dict[str, str],
    ) -> None:
        blocks = blobs.read(digest, *span)
        super().__init__(digest, blocks, status_code=status_code, headers=headers)
        self.blobs = blobs
        self.span = span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, stop = self.span
        is_offered = EXTENSION in (scope.get("extensions") or {})
        file = self.blobs.open(self.digest) if is_offered and stop - start >= BLOCK else None
        if file is None:
            await super().__call__(scope, receive, send)
            return
        try:
            await self.begin(send)
            with breaking_off(self.digest):
                count = stop - start
                await send({"type": EXTENSION, "file": file, "offset": start, "count": count})
        finally:
            os.close(file)


class SendingSeveral(Streaming):
    """Whole blobs one after the other, each after a line that says which it is and its size."""

    def __init__(self, blobs: BlobStore, wanted: Sequence[tuple[str, int]]) -> None:
        self.blobs, self.wanted = blobs, wanted
        total = sum(len(_heading(*one)) + one[1] for one in wanted)
        headers = {"Content-Length": str(total), "Cache-Control": "private, no-store"}
        what = f"{len(wanted)} blobs"
        super().__init__(what, self._all(), status_code=200, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.wanted or EXTENSION not in (scope.get("extensions") or {}):
            await super().__call__(scope, receive, send)
            return
        await self.begin(send)
        with breaking_off(self.digest):
            for digest, size in self.wanted:
                await _send(send, _heading(digest, size))
                await self._send_blob(send, digest, size)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_blob(self, send: Send, digest: str, size: int) -> None:
        file = self.blobs.open(digest) if size >= _WORTH_IT else None
        if file is None:
            async for block in self.blobs.read(digest, 0, size):
                await _send(send, block)
            return
        try:
            part = {"file": file, "offset": 0, "count": size}
            await send({"type": EXTENSION, **part, "more_body": True})
        finally:
            os.close(file)

    async def _all(self) -> AsyncIterator[bytes | memoryview]:
        for digest, size in self.wanted:
            yield _heading(digest, size)
            async for block in self.blobs.read(digest, 0, size):
                yield block


async def _send(send: Send, block: bytes) -> None:
    await send({"type": "http.response.body", "body": block, "more_body": True})


def _heading(digest: str, size: int) -> bytes:
    return f"{digest} {size}\n".encode()


@contextmanager
def breaking_off(digest: str) -> Iterator[None]:
    """With the head out, all that can be said is to hang up: the answer ends too early."""
    try:
        yield
    except PlimsollError as error:
        _LOG.warning("download broken off", digest=digest, detail=error.detail)


def span_of(text: str, size: int) -> tuple[int, int]:
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
