"""The other end of one session, frame by frame: what is written is read by another's parser."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import hpack
from hyperframe import frame as hyperframe

from runtime.protocols.grpc.calls import Call, Code, Ending, Streaming, Unary
from runtime.wire.http2 import frames
from runtime.wire.http2.frames import Broken, Trouble
from runtime.wire.http2.session import Session
from runtime.wire.http2.streams import Shared

LIMIT = 4096
ASKED = {
    ":method": "POST", ":scheme": "http", ":path": "/echo", ":authority": "here",
    "te": "trailers", "content-type": "application/grpc",
}  # fmt: skip
GREETING = frames.PREFACE + frames.settings({})


def block(**changes: str) -> bytes:
    """The header block of a call, which leaves the table as it is."""
    return bytes(hpack.Encoder().encode((ASKED | changes).items(), huffman=False))


def plain(fields: list[tuple[bytes, bytes]]) -> bytes:
    """A block of what no encoder would write: literals that are not to be remembered."""
    return b"".join(b"\0" + b"".join(bytes([len(one)]) + one for one in field) for field in fields)


def headers(number: int, data: bytes, flags: int = frames.END_HEADERS) -> bytes:
    return frames.frame(frames.HEADERS, flags, number, data)


def data(number: int, payload: bytes, flags: int = frames.END_STREAM) -> bytes:
    return frames.frame(frames.DATA, flags, number, payload)


def message(text: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(text).to_bytes(4) + text


def call(number: int, text: bytes = b"hi", **changes: str) -> bytes:
    """A whole call."""
    return headers(number, block(**changes)) + data(number, message(text))


class Peer:
    """Speaks to a session whose methods are /echo, /stream, /wait and /no; made on a loop."""

    def __init__(self, *, most_held: int = 1 << 30) -> None:
        self.out = bytearray()
        self.is_done = False
        self.waiting = self.cancelled = 0
        methods = {b"/echo": Unary(self._echo), b"/wait": Unary(self._wait), b"/no": Unary(_no),
                   b"/stream": Streaming(_stream)}  # fmt: skip
        self.shared = Shared(methods.get, LIMIT, most_held)
        self.session = Session(self.shared, self.out.extend, self._done)
        self.session.begin()
        self._decoder = hpack.Decoder()

    def send(self, *parts: bytes) -> None:
        """Raises `Broken`."""
        self.session.feed(b"".join(parts), now=asyncio.get_running_loop().time())

    async def said(self) -> list[hyperframe.Frame]:
        """What was written since, once nothing more happens."""
        for _ in range(12):
            await asyncio.sleep(0)
        found, rest = [], memoryview(bytes(self.out))
        self.out.clear()
        while rest:
            one, size = hyperframe.Frame.parse_frame_header(rest[:9])
            one.parse_body(rest[9 : 9 + size])
            found.append(one)
            rest = rest[9 + size :]
        return found

    async def answers(self) -> dict[int, tuple[bytes, dict[str, str], bool]]:
        """For each stream: its DATA, its headers and trailers, and whether it was ended."""
        found: dict[int, tuple[bytes, dict[str, str], bool]] = {}
        for one in await self.said():
            body, fields, is_ended = found.get(one.stream_id, (b"", {}, False))
            if isinstance(one, hyperframe.DataFrame):
                body += one.data
            elif isinstance(one, hyperframe.HeadersFrame):
                fields = fields | dict(self._decoder.decode(one.data))
                is_ended = "END_STREAM" in one.flags
            found[one.stream_id] = body, fields, is_ended
        found.pop(0, None)
        return found

    def _done(self) -> None:
        self.is_done = True

    async def _echo(self, call: Call, data: bytes) -> bytes | Ending:
        return data

    async def _wait(self, call: Call, data: bytes) -> bytes | Ending:
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting -= 1
            self.cancelled += 1
        raise AssertionError("it waits for ever")


async def _no(call: Call, data: bytes) -> bytes | Ending:
    return Ending(Code.NOT_FOUND, "50 % of\nnothing: ü")


async def _stream(
    call: Call, requests: AsyncIterator[bytes]
) -> AsyncGenerator[bytes | Ending, None]:
    async for one in requests:
        yield one


def run(conversation: Callable[[], Awaitable[Any]]) -> Any:
    """What it returns; no task is left behind."""

    async def main() -> Any:
        found = await asyncio.wait_for(conversation(), 60)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        return found

    return asyncio.run(main())


def broken(*parts: bytes) -> Trouble:
    """How the connection of a client ends that greets and then sends this."""

    async def conversation() -> Trouble:
        peer = Peer()
        try:
            peer.send(GREETING, *parts)
        except Broken as error:
            peer.session.streams.abandon()
            assert peer.shared.held == 0
            return error.trouble
        raise AssertionError("the connection goes on")

    found: Trouble = run(conversation)
    return found
