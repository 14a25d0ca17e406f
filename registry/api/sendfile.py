"""Lets uvicorn send files by the kernel: the ASGI extension `http.response.zerocopysend`.

It also tells the application who is at the other end of the connection itself: the certificate of
a TLS client, by the ASGI extension `tls`, and the address before any header was looked at.

A download then costs this process no memory and hardly any time of the interpreter. Offered on
plain TCP only: over TLS, and under servers without the extension, answers stream as usual.
Measured: short sends, from the event loop itself, beat both longer ones and a thread for each.
"""

import asyncio
import os
import ssl
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from registry import errors
from registry.store.folder import is_cached

EXTENSION = "http.response.zerocopysend"
TLS, PEER = "tls", "plimsoll.peer"
_AT_ONCE = 256 * 1024
_TURN = 4 * 1024 * 1024


class SendfileProtocol(HttpToolsProtocol):
    """One connection. The message's `file` is a descriptor, `offset` and `count` say which bytes.

    As with any other part of a body, `more_body` says whether another follows; none by default.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._chain = _certificates(transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, dict[object, object]] = {
            PEER: {"address": self.client[0] if self.client else ""}
        }
        if self.scheme == "http":
            extensions[EXTENSION] = {}
        else:
            extensions[TLS] = {"client_cert_chain": self._chain}
        self.scope["extensions"] = extensions

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, _sending_files(cycle, app))


def _certificates(transport: asyncio.Transport) -> list[str]:
    """The client's own certificate in PEM, if it showed one: TLS has verified it by then."""
    connection = transport.get_extra_info("ssl_object")
    der = connection.getpeercert(binary_form=True) if connection is not None else None
    return [ssl.DER_cert_to_PEM_cert(der)] if der else []


def _sending_files(cycle: RequestResponseCycle, app: ASGIApp) -> Any:
    async def sending(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_any(message: Message) -> None:
            if message["type"] != EXTENSION:
                await send(message)
                return
            await _send_file(cycle, message["file"], message["offset"], message["count"])
            cycle.expected_content_length -= message["count"]
            if not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await app(scope, receive, send_any)

    return sending


async def _send_file(cycle: RequestResponseCycle, file: int, offset: int, count: int) -> None:
    """Returns early, and quietly, where the receiver hung up."""
    await _flush(cycle)
    if cycle.disconnected:
        return
    # The event loop guards the transport's own descriptor; a second one for it is ours to watch.
    out = os.dup(cycle.transport.get_extra_info("socket").fileno())
    try:
        os.posix_fadvise(file, offset, count, os.POSIX_FADV_SEQUENTIAL)
        stop = offset + count
        while offset < stop and not cycle.disconnected:
            offset = await _send_some(out, file, offset, min(offset + _TURN, stop))
            # The others' turn: a fast receiver would never make us wait.
            await asyncio.sleep(0)
    except (ConnectionError, TimeoutError):
        cycle.transport.abort()
    finally:
        os.close(out)


async def _flush(cycle: RequestResponseCycle) -> None:
    """What was written before goes first."""
    limits = cycle.transport.get_write_buffer_limits()
    cycle.transport.set_write_buffer_limits(high=0)
    try:
        while cycle.transport.get_write_buffer_size() and not cycle.disconnected:
            await cycle.flow.drain()
    finally:
        if not cycle.transport.is_closing():
            cycle.transport.set_write_buffer_limits(high=limits[1], low=limits[0])


async def _send_some(out: int, file: int, offset: int, stop: int) -> int:
    """How far it came. Waits for the disk in a thread: others are served meanwhile."""
    if not is_cached(file, offset, stop - offset):
        await asyncio.to_thread(os.pread, file, stop - offset, offset)
    while offset < stop:
        try:
            sent = os.sendfile(out, file, offset, min(_AT_ONCE, stop - offset))
        except BlockingIOError:
            await _writable(out)
            return offset
        if sent == 0:
            raise errors.IntegrityError(f"a blob ends at byte {offset}")
        offset += sent
    return offset


async def _writable(out: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(out, _resolve, ready)
    try:
        await ready
    finally:
        loop.remove_writer(out)


def _resolve(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
