"""HTTP/2's frames as bytes (RFC 9113, 4 and 6), and how a whole connection is at fault."""

import struct
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = struct.Struct(">BHBBL")  # a length of 24 bits, the type, the flags, the stream
HEAD_BYTES = 9
LARGEST_WINDOW = 2**31 - 1
FIRST_WINDOW = 65_535
SMALLEST_FRAME = 16_384
LARGEST_FRAME = 2**24 - 1
FRAME_BYTES = 64 * 1024  # of what is read here; larger ones would only wait for their end

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 32

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 1, 2, 3
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 4, 5, 6
_SETTING = struct.Struct(">HL")


class Trouble(IntEnum):
    """RFC 9113, 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Broken(Exception):
    """The connection cannot go on; never leaves this package."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble
        self.text = text


def frame(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    """One frame; `payload` is as large as the peer takes at most."""
    size = len(payload)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, number) + payload


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*one) for one in values.items()))


def settings_read(payload: bytes) -> list[tuple[int, int]]:
    """In their order; raises `Broken` for what cannot be one."""
    if len(payload) % _SETTING.size:
        raise Broken(Trouble.FRAME_SIZE_ERROR, "SETTINGS are six bytes each")
    found: list[tuple[int, int]] = list(_SETTING.iter_unpack(payload))
    for name, value in found:
        if name == ENABLE_PUSH and value > 1:
            raise Broken(Trouble.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
        if name == INITIAL_WINDOW_SIZE and value > LARGEST_WINDOW:
            raise Broken(Trouble.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
        if name == MAX_FRAME_SIZE and not SMALLEST_FRAME <= value <= LARGEST_FRAME:
            raise Broken(Trouble.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of its range")
    return found


def number_of(payload: memoryview, what: str) -> int:
    """The 32 bits that a frame consists of, without the reserved first."""
    if len(payload) != 4:
        raise Broken(Trouble.FRAME_SIZE_ERROR, f"{what} has four bytes")
    return int.from_bytes(payload) & LARGEST_WINDOW


def unpadded(flags: int, payload: memoryview) -> memoryview:
    """Without the padding of DATA and HEADERS."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Broken(Trouble.PROTOCOL_ERROR, "a frame is nothing but padding")
    return payload[1 : len(payload) - payload[0]]


def window_update(number: int, by: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, number, by.to_bytes(4))


def reset(number: int, trouble: Trouble) -> bytes:
    return frame(RST_STREAM, 0, number, trouble.to_bytes(4))


def goaway(last: int, trouble: Trouble, text: str = "") -> bytes:
    """`last` is the last stream that was, or is to be, taken up."""
    return frame(GOAWAY, 0, 0, last.to_bytes(4) + trouble.to_bytes(4) + text.encode())
