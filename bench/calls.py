"""gRPC calls as load: the client writes frames that were made before and looks for
the end of the answer.

So light a client is not what is measured. A call's headers are references into HPACK's table from
the second on, as those of gRPC's own clients are, and every server sees the same bytes.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import cast

import hpack

from registry import errors
from runtime.wire.http2 import frames

_LARGEST = frames.LARGEST_WINDOW
_PREFIX = 5  # bytes before a message


@dataclass(frozen=True, slots=True)
class Called:
    """One call to repeat."""

    port: int
    path: str
    message: bytes

    def client(self, end: float) -> "Client":
        """See `load.Question`."""
        return Client(self, end)

    def blocks(self) -> tuple[bytes, bytes]:
        """The headers as the first call says them, and as all others do."""
        fields = [
            (":scheme", "http"),
            (":method", "POST"),
            (":authority", f"127.0.0.1:{self.port}"),
            (":path", self.path),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "bench"),
            ("grpc-accept-encoding", "identity, deflate, gzip"),
        ]
        encoder = hpack.Encoder()
        return encoder.encode(fields), encoder.encode(fields)


class Client(asyncio.Protocol):
    """One connection with one call in flight."""

    def __init__(self, called: Called, end: float) -> None:
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._first, self._block = called.blocks()
        self._message = b"\0" + len(called.message).to_bytes(4) + called.message
        self._end = end
        self._number = 1
        self._rest = b""
        self._answered = 0
        self._window = frames.FIRST_WINDOW
        self._is_held = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are written to like asyncio's, but are none of its classes.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(
            frames.PREFACE
            + frames.settings({frames.INITIAL_WINDOW_SIZE: _LARGEST})
            + frames.window_update(0, _LARGEST - frames.FIRST_WINDOW)
        )
        self._send(self._first)

    def data_received(self, data: bytes) -> None:
        data, at = self._rest + data, 0
        while len(data) - at >= frames.HEAD_BYTES:
            high, low, kind, flags, number = frames.HEAD.unpack_from(data, at)
            end = at + frames.HEAD_BYTES + (high << 16 | low)
            if end > len(data):
                break
            self._frame(kind, flags, number, data[at + frames.HEAD_BYTES : end])
            at = end
        self._rest = data[at:]

    def connection_lost(self, _error: Exception | None) -> None:
        self._fail("closed the connection")

    def _send(self, block: bytes) -> None:
        size = len(self._message)
        self._is_held = size > self._window
        if self._is_held:
            return
        self._window -= size
        self._sent = time.perf_counter()
        self._answered = 0
        self._transport.write(
            frames.frame(frames.HEADERS, frames.END_HEADERS, self._number, block)
            + frames.frame(frames.DATA, frames.END_STREAM, self._number, self._message)
        )

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        match kind:
            case frames.DATA:
                self._answered += len(payload)
            case frames.HEADERS if flags & frames.END_STREAM:
                self._complete()
            case frames.WINDOW_UPDATE if number == 0:
                self._window += int.from_bytes(payload)
                if self._is_held:
                    self._send(self._block)
            case frames.SETTINGS | frames.PING if not flags & frames.ACK:
                said = payload if kind == frames.PING else b""
                self._transport.write(frames.frame(kind, frames.ACK, 0, said))
            case frames.RST_STREAM | frames.GOAWAY:
                self._fail("ended a call")

    def _complete(self) -> None:
        now = time.perf_counter()
        self.latencies.append(now - self._sent)
        if self._answered <= _PREFIX:
            self._fail("refused a call")  # a refusal is trailers, and nothing before them
        elif now < self._end:
            self._number += 2
            self._send(self._block)
        else:
            self.done.set_result(None)
            self._transport.close()

    def _fail(self, said: str) -> None:
        if not self.done.done():
            self.done.set_exception(errors.Unavailable(said))
            self._transport.close()
