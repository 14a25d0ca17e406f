"""Content-Encoding of requests and Accept-Encoding of answers: gzip and deflate, within limits.

A body is unpacked no further than a body may be large, so a few bytes cannot become gigabytes.
Large ones are packed and unpacked on another thread: the event loop has other requests.
"""

import asyncio
import functools
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from registry.errors import Busy, InvalidInput, TooLarge
from runtime.protocols.http import Answer, Request
from runtime.room import Room

# What an answer has to have to be worth packing, and what is too much to do on the event loop.
_SMALLEST = 1024
_LARGE = 64 * 1024
_FASTEST = 1
_WINDOWS = {"gzip": 31, "deflate": 15}
_RAW_DEFLATE = -15  # what some clients send as deflate, without the zlib head of RFC 9110 8.4.1.2


@asynccontextmanager
async def unpacked(request: Request, *, limit: int, room: Room) -> AsyncIterator[bytes]:
    """The body as it was before its Content-Encoding, which takes of `room` while it is used.

    Raises `InvalidInput`, `TooLarge`, and `Busy` where there is no room."""
    coding = request.headers[b"content-encoding"].decode("latin-1").strip().lower()
    if coding == "identity":
        yield request.body
        return
    if coding not in _WINDOWS:
        raise InvalidInput(
            f"the Content-Encoding {coding[:80]!r} is not known here",
            fix="send the body as it is, or packed by gzip or deflate",
        )
    if len(request.body) > _LARGE:
        found = await asyncio.to_thread(inflated, request.body, coding, limit)
    else:
        found = inflated(request.body, coding, limit)
    if not room.take(len(found)):
        raise Busy(
            f"what all bodies unpack to would be over {room.size} bytes together",
            fix="try again soon; limits.bodiesBytes is the room that they share",
        )
    try:
        yield found
    finally:
        room.give_back(len(found))


async def packed(answer: Answer, accepted: bytes | None) -> Answer:
    """The answer, packed where the client's Accept-Encoding has a way and it is worth it."""
    if accepted is None or len(answer.body) < _SMALLEST:
        return answer
    coding = _chosen(accepted)
    if coding is None:
        return answer
    if len(answer.body) > _LARGE:
        body = await asyncio.to_thread(_deflated, answer.body, coding)
    else:
        body = _deflated(answer.body, coding)
    named = (b"content-encoding", coding.encode()), (b"vary", b"accept-encoding")
    return answer._replace(body=body, headers=(*answer.headers, *named))


@functools.lru_cache(maxsize=64)
def _chosen(accepted: bytes) -> str | None:
    """gzip before deflate, whatever the weights, but what has the weight 0 is not wanted."""
    wanted = set()
    for part in accepted.decode("latin-1").lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "").rstrip("0") not in {"q=", "q=0."}:
            wanted.add(name.strip())
    return next((coding for coding in _WINDOWS if coding in wanted), None)


def _deflated(body: bytes, coding: str) -> bytes:
    packer = zlib.compressobj(_FASTEST, wbits=_WINDOWS[coding])
    return packer.compress(body) + packer.flush()


def inflated(body: bytes, coding: str, limit: int) -> bytes:
    """One member only: of a gzip file made of thousands each costs, and no client sends one."""
    window = _WINDOWS[coding]
    if coding == "deflate" and not _has_zlib_head(body):
        window = _RAW_DEFLATE
    unpacker = zlib.decompressobj(window)
    try:
        found = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise InvalidInput(f"the body is not {coding}: {error}") from error
    if len(found) > limit:
        raise TooLarge(
            f"the request's body is over {limit} bytes when unpacked",
            fix="send fewer instances at once, or raise limits.bodyBytes",
        )
    if not unpacker.eof:
        raise InvalidInput(f"the body's {coding} ends too early")
    if unpacker.unused_data:
        raise InvalidInput(f"the body goes on behind the end of its {coding}")
    return found


def _has_zlib_head(body: bytes) -> bool:
    """RFC 1950, 2.2: method 8, and the first two bytes are a multiple of 31."""
    return len(body) >= 2 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
