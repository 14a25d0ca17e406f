"""gRPC's messages: five bytes, of which the first tells whether it is packed, and then the rest.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import asyncio
from dataclasses import dataclass

from registry.errors import InvalidInput, TooLarge
from runtime.protocols import encoding

PREFIX_BYTES = 5
CODINGS = (b"identity", b"deflate", b"gzip")
_LARGE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """As it came."""

    is_packed: bool
    data: bytes

    async def unpacked(self, coding: bytes, *, limit: int) -> bytes:
        """Raises `InvalidInput` and `TooLarge`. Large ones are unpacked on another thread."""
        if not self.is_packed:
            return self.data
        if coding == b"identity":
            raise InvalidInput("a message is packed, and grpc-encoding does not say how")
        if len(self.data) > _LARGE:
            return await asyncio.to_thread(encoding.inflated, self.data, coding.decode(), limit)
        return encoding.inflated(self.data, coding.decode(), limit)


class Assembly:
    """Bytes in, whole messages out; no byte of one that is too large is kept."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def held(self) -> int:
        """Bytes of a message that is not whole."""
        return len(self._buffer)

    def feed(self, data: memoryview) -> list[Message]:
        """Raises `InvalidInput` and `TooLarge`: then nothing more is to be fed."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < PREFIX_BYTES + self._wanted(self._buffer):
                return []
            data, self._buffer = memoryview(self._buffer), bytearray()
        found = []
        while len(data) >= PREFIX_BYTES:
            end = PREFIX_BYTES + self._wanted(data)
            if len(data) < end:
                break
            found.append(Message(data[0] == 1, bytes(data[PREFIX_BYTES:end])))
            data = data[end:]
        self._buffer += data
        return found

    def _wanted(self, data: memoryview | bytearray) -> int:
        if data[0] > 1:
            raise InvalidInput("what is sent is no gRPC message")
        size = int.from_bytes(data[1:PREFIX_BYTES]) if len(data) >= PREFIX_BYTES else 0
        if size > self._limit:
            raise TooLarge(f"the message has {size} bytes, the limit is {self._limit}")
        return size


def framed(data: bytes) -> bytes:
    """As it is sent: never packed, as a server's is that is not told otherwise."""
    return b"\0" + len(data).to_bytes(4) + data
