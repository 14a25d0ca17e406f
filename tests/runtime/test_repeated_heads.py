"""A head that came before is not read twice, and every request is what it is without that."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.protocols.http import Request
from runtime.room import Room
from runtime.wire import reading
from runtime.wire.reading import Fault, Reader

_LIMIT = 1000
_FIELDS = [
    b"Host: x", b"host: y", b"Content-Type: application/json", b"Accept: */*", b"Cookie: a\r",
    b"Expect: 100-continue", b"Inference-Header-Content-Length: 3", b"X-Content-Length: 7",
    b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: keep-alive", b" folded",
    b"Cookie: Content-Length: 4", b"Content-Length: 2", b"Authorization: Bearer x",
]  # fmt: skip
_LENGTHS = [
    b"Content-Length: %d", b"content-length:%d", b"CONTENT-LENGTH: \t%d", b"Content-Length: %04d",
    b"Content-Length: +%d", b"Content-Length : %d", b"Content-Length: %d ",
]  # fmt: skip
_BODIES = [b"", b"abc", b"abd", b"0" * 11, b"\r\n\r\nx", b"a" * 900, b"a" * 1001]
_LINES = [b"POST /p HTTP/1.1", b"POST /p?q=%41 HTTP/1.1", b"PUT /p HTTP/1.1", b"POST /p HTTP/1.0"]
_CHUNKS = b"3\r\nabc\r\n0\r\n\r\n"


@st.composite
def _request(draw: st.DrawFn) -> bytes:
    line = draw(st.sampled_from(_LINES))
    length = draw(st.sampled_from(_LENGTHS[:1] * 6 + _LENGTHS))
    body = draw(st.sampled_from(_BODIES))
    said = len(body) + draw(st.sampled_from([0] * 10 + [1, -1])) if body else 0
    fields = [b"Host: x", *draw(st.lists(st.sampled_from(_FIELDS), max_size=2)), length % said]
    chunked = any(field.startswith(b"Transfer") for field in fields)
    end = draw(st.sampled_from([b"\r\n"] * 8 + [b"\n"]))
    return b"\r\n".join((line, *fields, b"")) + end + (_CHUNKS if chunked else body)


def _read(parts: list[bytes], *, whole: bool) -> tuple[list[Request], Fault | None]:
    """All requests until a fault or the last; in halves nothing is ever remembered."""
    reader = Reader(body_limit=_LIMIT, room=Room(1 << 30))
    found: list[Request] = []
    for part in parts:
        for piece in (part,) if whole else (part[:1], part[1:]):
            fault = reader.feed(piece)
            found += reader.requests
            reader.requests.clear()
            if reader.is_last:
                return found, None  # what comes behind it is nobody's
            if fault is not None:
                return found, fault
    return found, None


def _same(one: Fault | None, other: Fault | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.path, str(one.error)) == (other.path, str(other.error))


@settings(max_examples=400, deadline=None)
@given(st.lists(_request(), min_size=1, max_size=3), st.lists(st.integers(0, 2), max_size=8),
       st.binary(max_size=3))  # fmt: skip
def test_requests_are_what_they_are_when_nothing_is_remembered(
    made: list[bytes], order: list[int], noise: bytes
) -> None:
    parts = [made[at % len(made)] for at in order]
    parts += [made[0] + made[0], made[0][: len(made[0]) // 2], noise, made[0]]
    parts = [part for part in parts if part]
    remembered, fault = _read(parts, whole=True)
    careful, other = _read(parts, whole=False)
    assert remembered == careful
    assert _same(fault, other)


def _post(body: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join(
        (b"POST /p?q=1 HTTP/1.1", b"Host: x", *fields, b"Content-Length: %d" % len(body), b"", body)
    )


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What went through the parser."""
    found: list[bytes] = []
    whole = Reader._parsed

    def noted(reader: Reader, data: bytes) -> Fault | None:
        found.append(data)
        return whole(reader, data)

    monkeypatch.setattr(Reader, "_parsed", noted)
    return found


def test_the_same_head_is_parsed_once_whatever_the_length_of_the_body(parsed: list[bytes]) -> None:
    reader = Reader(body_limit=_LIMIT, room=Room(1 << 30))
    extra = b"Inference-Header-Content-Length: 2"
    for body in (b"abc", b"abd", b"a" * 999, b"ab"):
        assert reader.feed(_post(body, extra)) is None
        (found,) = reader.requests
        assert found == Request(
            "POST", "/p",
            {b"host": b"x", b"inference-header-content-length": b"2",
             b"content-length": b"%d" % len(body)},
            body, "q=1",
        )  # fmt: skip
        reader.requests.clear()
        reader.answered()
    assert parsed == [_post(b"abc", extra)]


def test_a_body_over_the_limit_is_refused_behind_a_head_that_came_before() -> None:
    reader = Reader(body_limit=_LIMIT, room=Room(1 << 30))
    assert reader.feed(_post(b"abc")) is None
    fault = reader.feed(_post(b"a" * (_LIMIT + 1)))
    assert fault is not None
    assert fault.path == "/p"
    assert fault.error.code == "too_large"


def test_a_large_body_is_counted_though_its_head_came_before() -> None:
    room = Room(100_000)
    reader = Reader(body_limit=1 << 20, room=room)
    assert reader.feed(_post(b"abc")) is None
    assert reader.feed(_post(b"a" * 90_000)) is None
    assert not room.take(90_000)
    reader.closed()
    assert room.take(90_000)


def test_a_client_whose_heads_are_never_the_same_is_not_remembered_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[bytes] = []
    look = reading.repeated.head
    monkeypatch.setattr(
        reading.repeated, "head", lambda data, *rest: tried.append(data) or look(data, *rest)
    )
    reader = Reader(body_limit=_LIMIT, room=Room(1 << 30))
    for number in range(100):
        assert reader.feed(_post(b"abc", b"X-Request-Id: %d" % number)) is None
        reader.requests.clear()
    assert 0 < len(tried) < 50
