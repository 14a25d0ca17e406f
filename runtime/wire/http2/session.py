"""One connection's frames; it does not know where its bytes go.

RFC 9113. Priorities are not followed and nothing is pushed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from runtime.wire.http2 import frames
from runtime.wire.http2.cutting import Cutter
from runtime.wire.http2.frames import Broken, Trouble
from runtime.wire.http2.heads import HEADER_BYTES
from runtime.wire.http2.stream import WINDOW
from runtime.wire.http2.streams import (
    AT_ONCE,
    CHEAP,
    CONNECTION_WINDOW,
    DEAR,
    Purse,
    Shared,
    Streams,
)

_CONTINUATIONS = 16
_OF_ALL_STREAMS = 10 * DEAR
_LAST_CALL = b"lastcall"


@dataclass(slots=True)
class _Block:
    """A header block on its way."""

    number: int
    is_end: bool
    data: bytearray
    parts: int = 0


class Session:
    """Bytes in by `feed`, bytes out by `write`; `done` once nothing is owed nor taken any more."""

    def __init__(
        self, shared: Shared, write: Callable[[bytes], object], done: Callable[[], None]
    ) -> None:
        self._write = write
        self._purse = Purse()
        self.streams = Streams(shared, write, self._purse, done)
        self._cutter = Cutter()
        self._block: _Block | None = None
        self._is_greeted = False
        self.is_draining = False

    @property
    def is_amid(self) -> bool:
        """Whether the client owes the rest of a frame, of a header block or of its greeting."""
        return self._cutter.is_amid or self._block is not None or not self._is_greeted

    def begin(self) -> None:
        """Our side of the greeting."""
        said = {
            frames.MAX_CONCURRENT_STREAMS: AT_ONCE,
            frames.INITIAL_WINDOW_SIZE: WINDOW,
            frames.MAX_FRAME_SIZE: frames.FRAME_BYTES,
            frames.MAX_HEADER_LIST_SIZE: HEADER_BYTES,
        }
        more = frames.window_update(0, CONNECTION_WINDOW - frames.FIRST_WINDOW)
        self._write(frames.settings(said) + more)

    def feed(self, data: bytes, *, now: float) -> None:
        """Raises `Broken`: then `broken` says so, and the connection ends."""
        for kind, flags, number, payload in self._cutter.cut(data):
            if self._block is not None or not self._is_greeted:
                self._require_turn(kind)
            match kind:
                case frames.DATA:
                    self.streams.data(flags, number, payload, now)
                case frames.HEADERS:
                    self._headers(flags, number, payload, now)
                case frames.CONTINUATION:
                    self._continued(flags, number, payload, now)
                case frames.WINDOW_UPDATE:
                    self.streams.grown(number, frames.number_of(payload, "WINDOW_UPDATE"))
                case frames.RST_STREAM:
                    frames.number_of(payload, "RST_STREAM")
                    self.streams.abandoned(number)
                case _:
                    self._of_connection(kind, flags, number, bytes(payload))

    def broken(self, error: Broken) -> None:
        """The last word."""
        self._write(frames.goaway(self.streams.last, error.trouble, error.text))

    def sweep(self, now: float, *, deadline: float) -> None:
        """Once a second: end what is overdue."""
        self._purse.fill()
        self.streams.sweep(now, deadline=deadline)
        if self.is_draining:
            self._close()  # it has had a second to say what it still wants

    def drain(self) -> None:
        """Say that the end is near; what the client sends until it knows is still answered."""
        if not self.is_draining:
            self.is_draining = True
            ping = frames.frame(frames.PING, 0, 0, _LAST_CALL)
            self._write(frames.goaway(frames.LARGEST_WINDOW, Trouble.NO_ERROR) + ping)
            self.streams.drain()

    def _close(self) -> None:
        if not self.streams.is_closed:
            self._write(frames.goaway(self.streams.last, Trouble.NO_ERROR))
            self.streams.close()

    def _require_turn(self, kind: int) -> None:
        if self._block is not None and kind != frames.CONTINUATION:
            raise Broken(Trouble.PROTOCOL_ERROR, "a header block is interrupted")
        if not self._is_greeted and kind != frames.SETTINGS:
            raise Broken(Trouble.PROTOCOL_ERROR, "the first frame is not SETTINGS")

    def _headers(self, flags: int, number: int, payload: memoryview, now: float) -> None:
        data = frames.unpadded(flags, payload)
        if flags & frames.WITH_PRIORITY:
            if len(data) < 5:
                raise Broken(Trouble.FRAME_SIZE_ERROR, "HEADERS end within their priority")
            data = data[5:]
        if not number & 1:
            raise Broken(Trouble.PROTOCOL_ERROR, f"a client opens no stream {number}")
        is_end = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self.streams.headed(number, bytes(data), is_end=is_end, now=now)
        else:
            self._block = _Block(number, is_end, bytearray(data))

    def _continued(self, flags: int, number: int, payload: memoryview, now: float) -> None:
        block = self._block
        if block is None or block.number != number:
            raise Broken(Trouble.PROTOCOL_ERROR, "CONTINUATION of nothing")
        block.data += payload
        block.parts += 1
        if block.parts > _CONTINUATIONS or len(block.data) > HEADER_BYTES:
            raise Broken(Trouble.ENHANCE_YOUR_CALM, "a header block does not end")
        if flags & frames.END_HEADERS:
            self._block = None
            self.streams.headed(number, bytes(block.data), is_end=block.is_end, now=now)

    def _of_connection(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == frames.PUSH_PROMISE:
            raise Broken(Trouble.PROTOCOL_ERROR, "a client pushes nothing")
        if kind in {frames.SETTINGS, frames.PING, frames.GOAWAY} and number:
            raise Broken(Trouble.PROTOCOL_ERROR, "a frame of the connection names a stream")
        match kind:
            case frames.SETTINGS:
                self._settings(flags, payload)
            case frames.PING:
                self._ping(flags, payload)
            case frames.PRIORITY if not number or len(payload) != 5:
                raise Broken(Trouble.PROTOCOL_ERROR, "PRIORITY is of a stream, in five bytes")
            case _:
                self._purse.pay(CHEAP)

    def _settings(self, flags: int, payload: bytes) -> None:
        if flags & frames.ACK:
            if payload:
                raise Broken(Trouble.FRAME_SIZE_ERROR, "an acknowledgement says nothing")
            self._purse.pay(CHEAP)
            return
        self._is_greeted = True
        self._purse.pay(_OF_ALL_STREAMS)
        for name, value in frames.settings_read(payload):
            if name == frames.INITIAL_WINDOW_SIZE:
                self.streams.resized(value)
            elif name == frames.MAX_FRAME_SIZE:
                self.streams.frame_bytes = value
        self._write(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))

    def _ping(self, flags: int, payload: bytes) -> None:
        if len(payload) != 8:
            raise Broken(Trouble.FRAME_SIZE_ERROR, "PING has eight bytes")
        self._purse.pay(CHEAP)
        if not flags & frames.ACK:
            self._write(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif payload == _LAST_CALL and self.is_draining:
            self._close()  # all that the client sent before it knew has come
