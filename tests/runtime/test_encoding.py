"""Packed bodies: what they unpack to takes room for as long as it is used, and no longer."""

import asyncio
import gzip
import zlib

import pytest

from registry.errors import Busy, InvalidInput, PlimsollError, TooLarge
from runtime.protocols import encoding
from runtime.protocols.http import Request
from runtime.room import Room

BODY = b"[0, 0]" * 1000


def request(body: bytes, coding: bytes = b"gzip") -> Request:
    return Request("POST", "/", {b"content-encoding": coding}, body)


def unpacked(asked: Request, room: Room, *, within: int = 0) -> bytes:
    """The body; `within` is what is taken of `room` while it is used."""

    async def run() -> bytes:
        async with encoding.unpacked(asked, limit=10_000, room=room) as body:
            assert room.taken == within
            return body

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (gzip.compress(BODY), b"gzip"),
        (zlib.compress(BODY), b"deflate"),
        (zlib.compress(BODY)[2:-4], b"DEFLATE"),
    ],
)
def test_what_a_body_unpacks_to_takes_room_while_it_is_used(packed: bytes, coding: bytes) -> None:
    room = Room(6000)
    assert unpacked(request(packed, coding), room, within=6000) == BODY
    assert room.taken == 0


def test_a_body_that_is_not_packed_takes_none() -> None:
    assert unpacked(request(BODY, b"identity"), Room(0)) == BODY


@pytest.mark.parametrize(
    ("body", "coding", "error"),
    [
        (gzip.compress(BODY), b"gzip", Busy),
        (gzip.compress(BODY * 2), b"gzip", TooLarge),
        (gzip.compress(BODY)[:-1], b"gzip", InvalidInput),
        (gzip.compress(BODY) * 2, b"gzip", InvalidInput),
        (BODY, b"gzip", InvalidInput),
        (BODY, b"br", InvalidInput),
    ],
)
def test_what_is_refused_takes_none(body: bytes, coding: bytes, error: type[PlimsollError]) -> None:
    room = Room(5999)
    with pytest.raises(error):
        unpacked(request(body, coding), room)
    assert room.taken == 0


def test_a_fault_while_a_body_is_used_gives_its_room_back() -> None:
    room = Room(6000)

    async def run() -> None:
        async with encoding.unpacked(request(gzip.compress(BODY)), limit=10_000, room=room):
            raise KeyError("a fault")

    with pytest.raises(KeyError):
        asyncio.run(run())
    assert room.taken == 0
