"""How an answer goes out: its head and body in one write, a stream's head at once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from uvicorn.server import ServerState

from registry.api.sendfile import SendfileProtocol

_START: dict[str, Any] = {"type": "http.response.start", "status": 200}
_SIZED = _START | {"headers": [(b"Content-Length", b"4")]}
_STREAM = _START | {"headers": [(b"content-type", b"text/event-stream")]}
_PATIENCE_S = 30.0


class Recorder(asyncio.Transport):
    """A connection's transport that notes each write and what had been sent by then."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = asyncio.Event()

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.is_closed.set()

    def is_closing(self) -> bool:
        return self.is_closed.is_set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """uvicorn sets them."""


def answered(messages: Sequence[Message], method: str = "GET") -> list[bytes]:
    """The writes that these messages of an application become; it raises where they end early."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(dict(message))
        if messages[-1].get("more_body", messages[-1] is messages[0]):
            raise OSError("the rest cannot be read")

    async def connected() -> list[bytes]:
        config = uvicorn.Config(app, http=SendfileProtocol, log_config=None, lifespan="off")
        config.load()
        protocol, recorder = SendfileProtocol(config, ServerState(), {}), Recorder()
        protocol.connection_made(recorder)
        protocol.data_received(f"{method} / HTTP/1.1\r\nconnection: close\r\n\r\n".encode())
        async with asyncio.timeout(_PATIENCE_S):
            await recorder.is_closed.wait()
        return recorder.writes

    return asyncio.run(connected())


def body(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


def test_a_head_and_the_body_that_it_tells_the_size_of_are_one_write() -> None:
    [whole] = answered([_SIZED, body(b"all.")])
    assert whole.startswith(b"HTTP/1.1 200 OK\r\n")
    assert whole.endswith(b"\r\n\r\nall.")


def test_parts_after_the_first_are_written_as_they_come() -> None:
    first, second = answered([_SIZED, body(b"al", more=True), body(b"l.")])
    assert first.endswith(b"\r\n\r\nal")
    assert second == b"l."


def test_the_head_of_a_stream_does_not_wait_for_its_first_part() -> None:
    writes = answered([_STREAM, body(b"event", more=True), body(b"")])
    assert writes[0].endswith(b"\r\n\r\n")
    assert b"event" in b"".join(writes[1:])


@pytest.mark.parametrize("messages", [[_SIZED, body(b"")], [_SIZED, body(b"all.")]])
def test_a_head_that_was_asked_for_alone_is_not_lost(messages: list[Message]) -> None:
    [head] = [one for one in answered(messages, "HEAD") if one]
    assert head.endswith(b"\r\n\r\n")
    assert b"Content-Length: 4" in head.title()


def test_a_head_whose_body_never_comes_is_sent_before_the_connection_ends() -> None:
    [head] = answered([_SIZED])
    assert head.endswith(b"\r\n\r\n")
