"""Blobs to hosts: their own copies, and encrypted to their own keys where they say they take that.

Both together too: a copy is then marked and encrypted while it is sent.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from registry import errors
from registry.api.sendfile import EXTENSION
from registry.api.sending import BYTES, Streaming, breaking_off, span_of
from registry.core import age
from registry.core.identity import Caller, Role
from registry.store.blobs import BLOCK
from registry.usecases import encrypted_delivery as delivery
from registry.usecases import fingerprinted
from registry.usecases.encrypted_delivery import Clear, Parcel
from registry.usecases.opening import Registry

_ASK_EVERY = 8 * BLOCK


async def answer(request: Request, registry: Registry, digest: str) -> Response | None:
    """None where a stored blob goes out as it is. Raises Forbidden, NotFound, OutOfOrder."""
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None or caller.role is not Role.HOST:
        return None
    own = await run_in_threadpool(fingerprinted.own, registry, caller, digest)
    is_required = registry.settings.encryption.require_delivery
    is_accepted = _accepts(request.headers.get("accept", ""))
    if not (is_accepted or is_required):
        return None if own is None else _as_it_is(request, registry, own, caller)
    to = await run_in_threadpool(delivery.recipient, registry, caller)
    if is_required and not (to and is_accepted):
        raise errors.Forbidden(
            f"host {caller.name} gets blobs only encrypted: "
            + ("it was enrolled without a key" if is_accepted else "it must accept an age file"),
            fix="enrol it with its age recipient" if is_accepted else "Accept: application/vnd.age",
        )
    if to is None:
        return None if own is None else _as_it_is(request, registry, own, caller)
    if own is None:
        parcel = await run_in_threadpool(delivery.pack, registry, digest, to)
    else:
        parcel = delivery.seal(registry, own, to)
    head = _head(request, parcel)
    if request.method == "HEAD":
        return Response(None, head.status, head.headers, age.MEDIA_TYPE)
    return Delivering(registry, parcel, caller, head)


@dataclass(frozen=True, slots=True)
class _Head:
    """What is said of the bytes from span[0] up to span[1]."""

    span: tuple[int, int]
    status: int
    headers: dict[str, str]


def _head(request: Request, sent: Parcel | Clear) -> _Head:
    """For this host alone; raises OutOfOrder."""
    headers = {
        "ETag": sent.tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "Vary": "Accept, Authorization",
        "Docker-Content-Digest": sent.digest,
    }
    span, status = (0, sent.size), 200
    wanted = request.headers.get("range")
    if wanted is not None and request.headers.get("if-range") in (None, sent.tag):
        span, status = span_of(wanted, sent.size), 206
        headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{sent.size}"
    headers["Content-Length"] = str(span[1] - span[0])
    return _Head(span, status, headers)


def _as_it_is(request: Request, registry: Registry, own: Clear, by: Caller) -> Response:
    head = _head(request, own)
    if request.method == "HEAD":
        return Response(None, head.status, head.headers, BYTES)
    blocks = _watched(registry, by, own.read(*head.span))
    return Streaming(own.digest, blocks, status_code=head.status, headers=head.headers)


class Delivering(Streaming):
    """A span of an age file: its payload by sendfile, where it lies in a file as it goes out.

    A host that is revoked in the middle gets no more than a few MiB.
    """

    def __init__(
        self,
        registry: Registry,
        parcel: Parcel,
        by: Caller,
        head: _Head,
    ) -> None:
        blocks = _watched(registry, by, delivery.content(parcel, *head.span))
        super().__init__(
            parcel.digest,
            blocks,
            status_code=head.status,
            headers=head.headers,
            media_type=age.MEDIA_TYPE,
        )
        self.registry, self.parcel, self.by, self.span = registry, parcel, by, head.span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_offered = EXTENSION in (scope.get("extensions") or {})
        file = delivery.payload_file(self.parcel) if is_offered else None
        if file is None:
            await super().__call__(scope, receive, send)
            return
        try:
            await self.begin(send)
            with breaking_off(self.digest):
                await self._send_file(file, send)
        finally:
            os.close(file)

    async def _send_file(self, file: int, send: Send) -> None:
        head, (start, stop) = len(self.parcel.header), self.span
        body = self.parcel.header[start:stop]
        is_more = stop > head
        await send({"type": "http.response.body", "body": body, "more_body": is_more})
        position, end = max(start - head, 0), stop - head
        while position < end:
            count = min(_ASK_EVERY, end - position)
            is_more = position + count < end
            await send(
                {"type": EXTENSION, "file": file, "offset": position, "count": count,
                 "more_body": is_more}
            )  # fmt: skip
            position += count
            if is_more:
                await run_in_threadpool(delivery.require_welcome, self.registry, self.by)


async def _watched(
    registry: Registry, by: Caller, blocks: AsyncIterator[bytes | memoryview]
) -> AsyncIterator[bytes | memoryview]:
    sent = 0
    async for block in blocks:
        if sent // _ASK_EVERY != (sent + len(block)) // _ASK_EVERY:
            await run_in_threadpool(delivery.require_welcome, registry, by)
        sent += len(block)
        yield block


def _accepts(header: str) -> bool:
    """Only by its own name: who says */* does not expect to have to decrypt."""
    for one in header.split(","):
        name, *parameters = (part.strip().lower() for part in one.split(";"))
        if name == age.MEDIA_TYPE:
            return not any(part.rstrip("0.") == "q=" for part in parameters)
    return False
