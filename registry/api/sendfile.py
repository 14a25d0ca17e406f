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
# What is larger would be copied for longer than a second write takes.
_SMALL = 64 * 1024
_TURN = 2 * 1024 * 1024
_WINDOW = 8 * 1024 * 1024


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


class _HeadWithBody:
    """A connection's transport that keeps a head back until its body comes: one segment for both.

    A receiver of two small ones is woken twice, and may wait for the second.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head = b""
        self.is_head = False

    def write(self, data: bytes) -> None:
        if self.is_head:
            self._head += data
        elif self._head and len(data) <= _SMALL:
            whole, self._head = self._head + data, b""
            self._transport.write(whole)
        else:
            self.release()
            self._transport.write(data)

    def release(self) -> None:
        """Write what is kept back, if anything is."""
        self.is_head = False
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        self.release()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _has_body_at_once(message: Message) -> bool:
    """A stream's first part may take long, and who waits for it wants to know that it has begun."""
    return message["type"] == "http.response.start" and any(
        name.lower() == b"content-length" for name, _ in message["headers"]
    )


def _sending_files(cycle: RequestResponseCycle, app: ASGIApp) -> Any:
    async def sending(scope: Scope, receive: Receive, send: Send) -> None:
        transport = _HeadWithBody(cycle.transport)
        cycle.transport = transport  # type: ignore[assignment]

        async def send_any(message: Message) -> None:
            if message["type"] != EXTENSION:
                transport.is_head = _has_body_at_once(message)
                await send(message)
                if not transport.is_head:
                    transport.release()
                return
            transport.release()
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
            end = min(offset + _WINDOW, stop)
            if not is_cached(file, offset, end - offset):
                # Waits for the disk in a thread: others are served meanwhile.
                await asyncio.to_thread(os.pread, file, end - offset, offset)
            await _Window(out, file, offset, end).sent()
            offset = end
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


class _Window:
    """Some bytes of a file on their way; sends whenever the socket takes some.

    The loop calls `_send` once a turn for as long as it is watched, so others have their turns
    too, and a fast receiver costs neither a future nor a change of what is watched each time.
    """

    def __init__(self, out: int, file: int, offset: int, stop: int) -> None:
        self._out, self._file, self._offset, self._stop = out, file, offset, stop

    async def sent(self) -> None:
        """Returns once all of it is in the socket's hands."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.add_writer(self._out, self._send, done)
        try:
            await done
        finally:
            loop.remove_writer(self._out)

    def _send(self, done: "asyncio.Future[None]") -> None:
        if done.done():
            return
        turn = min(self._offset + _TURN, self._stop)
        try:
            while self._offset < turn:
                count = min(_AT_ONCE, turn - self._offset)
                sent = os.sendfile(self._out, self._file, self._offset, count)
                if sent == 0:
                    done.set_exception(errors.IntegrityError(f"a blob ends at byte {self._offset}"))
                    return
                self._offset += sent
        except BlockingIOError:
            return
        except OSError as error:
            done.set_exception(error)
            return
        if self._offset == self._stop:
            done.set_result(None)
