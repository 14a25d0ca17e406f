"""A request that a proxy in front of us could read otherwise than we do is no request at all.

Each flaw is followed by a whole request, as a smuggler would have it: what is read after a doubtful
end may never be answered.
"""

import pytest

from runtime.room import Room
from runtime.wire.reading import Reader

_HEAD = b"POST /p HTTP/1.1\r\nHost: x\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

FLAWS = {
    "length and chunks": b"Content-Length: 3\r\n" + _CHUNKED + b"0\r\n\r\n",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc",
    "the same length twice": b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "lengths in one field": b"Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": b"Content-Length: +3\r\n\r\nabc",
    "a negative length": b"Content-Length: -3\r\n\r\nabc",
    "a hexadecimal length": b"Content-Length: 0x3\r\n\r\nabc",
    "a length in words of its own": b"Content-Length: \xd9\xa3\r\n\r\nabc",
    "an empty length": b"Content-Length:\r\n\r\nabc",
    "a length beyond 64 bits": b"Content-Length: 99999999999999999999\r\n\r\nabc",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked not last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\n" + _CHUNKED + b"0\r\n\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a tab before the coding's end": b"Transfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n",
    "a folded field": b"A: b\r\n c\r\n\r\n",
    "a folded coding": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a bare LF": b"A: b\nC: d\r\n\r\n",
    "a bare CR": b"A: b\rC: d\r\n\r\n",
    "a NUL": b"A: b\0c\r\n\r\n",
    "a field without a name": b": b\r\n\r\n",
    "a field without a colon": b"A\r\n\r\n",
    "two hosts": b"Host: y\r\n\r\n",
    "a chunk's size with a sign": _CHUNKED + b"+1\r\na\r\n0\r\n\r\n",
    "a chunk's size with 0x": _CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "a chunk's size with a space": _CHUNKED + b" 1\r\na\r\n0\r\n\r\n",
    "a chunk's size beyond 64 bits": _CHUNKED + b"1ffffffffffffffff\r\na\r\n0\r\n\r\n",
    "a chunk longer than said": _CHUNKED + b"1\r\nabc\r\n0\r\n\r\n",
    "a chunk shorter than said": _CHUNKED + b"5\r\nabc\r\n0\r\n\r\n",
    "a chunk's size that ends in LF": _CHUNKED + b"1\na\r\n0\r\n\r\n",
    "a chunk that ends in LF": _CHUNKED + b"1\r\na\n0\r\n\r\n",
    "an extension with a bare LF": _CHUNKED + b"1;a\nb\r\na\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_what_could_be_read_in_two_ways_is_refused_with_all_that_follows(flaw: str) -> None:
    data = _HEAD + FLAWS[flaw] + _SMUGGLED
    for cut in range(0, len(data), 3):
        reader = Reader(body_limit=1000, room=Room(1 << 30))
        fault = reader.feed(data[:cut]) if cut else None
        fault = fault or reader.feed(data[cut:])
        assert fault is not None
        assert fault.error.status == 400
        assert not reader.requests


def test_a_request_without_a_flaw_is_read_with_the_one_behind_it() -> None:
    reader = Reader(body_limit=1000, room=Room(1 << 30))
    assert reader.feed(_HEAD + _CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + _SMUGGLED) is None
    assert [request.path for request in reader.requests] == ["/p", "/smuggled"]


def test_chunks_of_http_1_0_are_refused() -> None:
    reader = Reader(body_limit=1000, room=Room(1 << 30))
    fault = reader.feed(_HEAD.replace(b"1.1", b"1.0") + _CHUNKED + b"0\r\n\r\n" + _SMUGGLED)
    assert fault is not None
    assert "no transfer codings" in fault.error.detail
    assert not reader.requests


def test_nothing_behind_the_last_request_of_a_connection_is_read() -> None:
    reader = Reader(body_limit=1000, room=Room(1 << 30))
    reader.feed(_SMUGGLED.replace(b"/smuggled", b"/a").replace(b"1.1", b"1.0") + _SMUGGLED)
    assert [request.path for request in reader.requests] == ["/a"]
    assert reader.is_last
