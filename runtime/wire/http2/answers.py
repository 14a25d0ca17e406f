"""The header blocks of answers. They refer to HPACK's fixed table alone and leave the client's
own as it is, so that they are the same bytes for every connection."""

import functools
from urllib.parse import quote_from_bytes

from runtime.protocols.grpc.calls import Code, Ending
from runtime.wire.http2 import frames

_STATUS = 8  # `:status`, in the fixed table
_OK = b"\x88"  # `:status: 200`, likewise
_LONGEST_TEXT = 2000  # it goes in a header, of which clients take 8 KiB
# Printable, without the space's neighbours that gRPC has encoded: `%` alone.
_SAFE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def _field(name: bytes, value: bytes) -> bytes:
    """A literal that is not to be remembered (RFC 7541, 6.2.2)."""
    return b"\0" + _string(name) + _string(value)


def _string(value: bytes) -> bytes:
    return _integer(len(value), bits=7) + value


def _integer(value: int, *, bits: int) -> bytes:
    """RFC 7541, 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([value])
    made, value = bytearray([most]), value - most
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes(made) + bytes([value])


_CONTENT = _field(b"content-type", b"application/grpc")
_ACCEPTED = _field(b"grpc-accept-encoding", b"identity,deflate,gzip")
HEAD = _OK + _CONTENT + _ACCEPTED
DONE = _field(b"grpc-status", b"0")
_ENDING = frames.END_HEADERS | frames.END_STREAM
_OTHER_KIND = _integer(_STATUS, bits=4) + _string(b"415") + _field(b"accept", b"application/grpc")


def begun(number: int) -> bytes:
    """What comes before the first message."""
    return frames.frame(frames.HEADERS, frames.END_HEADERS, number, HEAD)


def whole(number: int, message: bytes) -> bytes:
    """An answer of one message that fits in one frame, all at once."""
    pack, size, ended = frames.HEAD.pack, len(message), len(DONE)
    length = size + 5
    return b"".join((
        pack(0, len(HEAD), frames.HEADERS, frames.END_HEADERS, number), HEAD,
        pack(length >> 16, length & 0xFFFF, frames.DATA, 0, number),
        b"\0", size.to_bytes(4), message,
        pack(0, ended, frames.HEADERS, _ENDING, number), DONE,
    ))  # fmt: skip


def ended(number: int, ending: Ending, *, is_begun: bool) -> bytes:
    """The trailers; where nothing came before them they are the whole answer."""
    block = trailers(ending.code, ending.text)
    return frames.frame(frames.HEADERS, _ENDING, number, block if is_begun else HEAD + block)


@functools.lru_cache(maxsize=64)
def trailers(code: Code, text: str) -> bytes:
    if not text:
        return _field(b"grpc-status", b"%d" % code)
    said = text.encode()[:_LONGEST_TEXT].decode(errors="ignore").encode()
    quoted = quote_from_bytes(said, safe=_SAFE).encode()
    return _field(b"grpc-status", b"%d" % code) + _field(b"grpc-message", quoted)


def other_kind(number: int) -> bytes:
    """To a request that is not gRPC's: 415, as its specification says."""
    return frames.frame(frames.HEADERS, _ENDING, number, _OTHER_KIND)
