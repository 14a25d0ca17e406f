"""HTTP as bytes: what comes out of the reader and off the wire, whatever comes in."""

import asyncio
import dataclasses
import signal
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import addresses
from registry import errors
from runtime.limits import Limits
from runtime.protocols import http
from runtime.protocols.http import Answer, Request
from runtime.room import Room
from runtime.wire import server
from runtime.wire.connection import Connections
from runtime.wire.reading import Fault, Reader
from tests.ports import free_port

GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;e=1\r\nab\r\n1\r\nc\r\n0\r\nX-Trailer: t\r\n\r\n"
)
# Nobody watches the time by itself here: tests sweep.
LIMITS = Limits(body_bytes=1000, deadline_seconds=1, connections=3, keep_alive_seconds=1)


def last(request: bytes) -> bytes:
    """`request` as the last of its connection."""
    return request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


class Echo:
    """Answers with method, path and body; `/slow` only once `release` is set."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.asked: list[str] = []
        self.cancelled: list[str] = []

    async def answer(self, request: Request) -> Answer:
        self.asked.append(request.path)
        if request.path == "/slow":
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled.append(request.path)
                raise
        if request.path == "/task":
            await asyncio.sleep(0)
            self.asked.append(str(asyncio.current_task() is not None))
            await self.release.wait()
        if request.path == "/large":
            return Answer(200, b"x" * 3_000_000)
        return Answer(200, f"{request.method} {request.path} ".encode() + request.body)

    def refusal(self, path: str, error: errors.PlimsollError) -> Answer:
        return http.json_answer(error.status, {"path": path, "error": error.detail})


async def until(holds: Callable[[], bool], what: str) -> None:
    """However long a busy machine takes for it."""
    end = asyncio.get_running_loop().time() + 60
    while not holds():
        assert asyncio.get_running_loop().time() < end, f"no {what}"
        await asyncio.sleep(0.001)


async def begun(to: "Served", *, is_amid: bool) -> float:
    """Since when the only connection waits for its client, in the middle of a request or not."""
    await until(lambda: len(to.connections.open) == 1, "connection accepted")
    (connection,) = to.connections.open
    await until(lambda: connection._reader.is_amid or not is_amid, "beginning of a request")
    return connection._since


class Served:
    """A server on uvloop, and connections to it."""

    def __init__(self, application: Echo, connections: Connections, port: int) -> None:
        self.application = application
        self.connections = connections
        self.port = port

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def said(self, *parts: bytes) -> bytes:
        """All that comes back until the server closes; it is read while the parts are sent."""
        reader, writer = await self.open()
        found = asyncio.create_task(_all_of(reader))
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.001)
        async with asyncio.timeout(60):
            await found
        writer.close()
        return found.result()


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    found = b""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            found += data
    return found


def served(test: Callable[[Served], Awaitable[None]], limits: Limits = LIMITS) -> None:
    """Run `test` against a server of its own."""

    async def run() -> None:
        echo = Echo()
        connections = Connections(echo, limits)
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(connections.made, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        try:
            await test(Served(echo, connections, port))
        finally:
            # An open one would keep the loop from closing, and hide why a test has failed.
            listening.close()
            for connection in tuple(connections.open):
                connection.abort()

    _run(run())


def _run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def read(data: bytes, *, at: int | None = None) -> tuple[list[Request], Fault | None]:
    """What a reader makes of `data`, cut in two at `at`."""
    reader = Reader(body_limit=1000, room=Room(1 << 30))
    fault = None
    for part in (data,) if at is None else (data[:at], data[at:]):
        fault = reader.feed(part) if fault is None and part else fault
    return reader.requests, fault


def test_requests_are_the_same_wherever_the_bytes_are_cut() -> None:
    data = GET + POST + CHUNKED
    whole, fault = read(data)
    assert fault is None
    assert [(one.method, one.path, one.query, one.body) for one in whole] == [
        ("GET", "/a", "b=c", b""),
        ("POST", "/p", "", b"abc"),
        ("POST", "/c", "", b"abc"),
    ]
    for at in range(len(data)):
        assert read(data, at=at) == (whole, None), at


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (POST.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, "not HTTP/1.1"),
        (POST.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"), 400, "Content-Length"),
        (POST.replace(b"h: 3", b"h: +3"), 400, "not HTTP/1.1"),
        (GET.replace(b"x\r\n", b"x\r\n folded\r\n"), 400, "not HTTP/1.1"),
        (GET.replace(b"\r\n", b"\n"), 400, "not HTTP/1.1"),
        (GET.replace(b"Host:", b"Host :"), 400, "not HTTP/1.1"),
        (GET.replace(b"Host: x", b"A: b"), 400, "no Host header"),
        (GET.replace(b"x\r\n", b"x\r\nHost: y\r\n"), 400, "'host' comes twice"),
        (GET.replace(b"x\r\n", b"x\x00\r\n"), 400, "not HTTP/1.1"),
        (CHUNKED.replace(b"chunked", b"gzip, chunked"), 400, "transfer coding"),
        (CHUNKED.replace(b"chunked", b"xchunked"), 400, "transfer coding"),
        (CHUNKED.replace(b"2;e=1\r\n", b"2\n"), 400, "not HTTP/1.1"),
        (CHUNKED.replace(b"2;e=1", b"-2"), 400, "not HTTP/1.1"),
        (POST.replace(b"h: 3", b"h: 1001"), 413, "over 1000 bytes"),
        (POST.replace(b"h: 3", b"h: 99999999999999999999999"), 400, "not HTTP/1.1"),
        (CHUNKED.replace(b"2;e=1\r\nab", b"7d0\r\n" + b"x" * 2000), 413, "over 1000 bytes"),
        (GET.replace(b"/a", b"/" + b"a" * 70_000), 431, "head is over 65536 bytes"),
        (GET.replace(b"x\r\n", b"x\r\nA: " + b"a" * 70_000 + b"\r\n"), 431, "head is over"),
        (
            GET.replace(b"x\r\n", b"x\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(200))),
            431,
            "over 128 headers",
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "not HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "not HTTP/1.1"),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_or_is_too_large_is_refused(
    data: bytes, status: int, said: str
) -> None:
    for cut in (None, len(data) // 2):
        requests, fault = read(data, at=cut)
        assert not requests
        assert fault is not None
        assert fault.error.status == status
        assert said in fault.error.detail


@pytest.mark.parametrize(
    "begun",
    [
        GET[:-2] + b"A: ",
        GET[:-2],
        CHUNKED[: CHUNKED.index(b"X-Trailer")] + b"A: ",
        CHUNKED[: CHUNKED.index(b"e=1")],
    ],
)
def test_a_line_that_never_ends_is_not_kept(begun: bytes) -> None:
    reader = Reader(body_limit=1000, room=Room(1 << 30))
    assert reader.feed(begun) is None
    faults = [reader.feed(b"a" * 40_000) for _ in range(2)]
    assert faults[0] is None
    assert isinstance(faults[1], Fault)
    assert faults[1].error.status == 431


def test_trailers_that_never_end_are_not_kept() -> None:
    reader = Reader(body_limit=1000, room=Room(1 << 30))
    assert reader.feed(CHUNKED[: CHUNKED.index(b"X-Trailer")]) is None
    fault = None
    for _ in range(3):
        fault = fault or reader.feed(b"A: " + b"a" * 40_000 + b"\r\n")
    assert isinstance(fault, Fault)
    assert fault.error.status == 431


def test_a_trailer_does_not_say_what_the_head_did_not() -> None:
    found, fault = read(CHUNKED.replace(b"X-Trailer: t", b"Authorization: Bearer t"))
    assert fault is None
    assert found[0].headers == {b"host": b"x", b"transfer-encoding": b"chunked"}


def test_a_body_in_the_smallest_chunks_takes_no_more_than_its_size() -> None:
    reader = Reader(body_limit=1_000_000, room=Room(1 << 30))
    reader.feed(b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    tracemalloc.start()
    try:
        assert not any(reader.feed(b"2\r\nab\r\n" * 1000) for _ in range(400))
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
    reader.feed(b"0\r\n\r\n")
    assert reader.requests[0].body == b"ab" * 400_000


def test_a_body_may_be_as_large_as_the_limit_and_the_next_request_begin_with_its_end() -> None:
    reader = Reader(body_limit=200_000, room=Room(1 << 30))
    sent = POST.replace(b"3\r\n\r\nabc", b"200000\r\n\r\n") + b"x" * 200_000 + GET
    assert reader.feed(sent[:100]) is None
    assert reader.feed(sent[100:-10]) is None
    assert reader.feed(sent[-10:]) is None
    assert [len(one.body) for one in reader.requests] == [200_000, 0]


@pytest.mark.parametrize("version", [b"0.9", b"2.0"])
def test_other_versions_of_http_are_not_spoken(version: bytes) -> None:
    found, fault = read(GET.replace(b"1.1", version))
    assert not found
    assert isinstance(fault, Fault)
    assert fault.error.status == 400


def test_a_client_that_waits_behind_an_answer_is_told_after_it() -> None:
    async def test(served: Served) -> None:
        reader, writer = await served.open()
        writer.write(GET.replace(b"/a?b=c", b"/slow"))
        writer.write(POST[:-3].replace(b"Host: x", b"Host: x\r\nExpect: 100-continue"))
        await until(lambda: served.application.asked == ["/slow"], "the slow request asked")
        served.application.release.set()
        await reader.readuntil(b"GET /slow ")
        async with asyncio.timeout(60):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"abc")
            assert await reader.readuntil(b"POST /p abc")
        writer.close()

    served(test)


def test_a_header_that_comes_twice_is_one_with_both_values() -> None:
    (request,), _ = read(GET.replace(b"x\r\n", b"x\r\nAccept: a\r\naccept: b\r\n"))
    assert request.headers[b"accept"] == b"a, b"


def test_a_path_is_decoded_and_a_whole_url_is_a_path() -> None:
    (request,), _ = read(GET.replace(b"/a?b=c", b"/v1/models/a%20b:predict"))
    assert request.path == "/v1/models/a b:predict"
    (request,), _ = read(GET.replace(b"/a?b=c", b"http://host:1/a?b"))
    assert (request.path, request.query) == ("/a", "b")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_whatever_comes_is_requests_or_a_fault(noise: bytes, at: int) -> None:
    for data in (noise, GET[:at] + noise, POST[:at] + noise, CHUNKED[:at] + noise):
        requests, fault = read(data, at=min(at, len(data)))
        assert sum(len(one.path) + len(one.body) for one in requests) <= len(data)
        assert fault is None or fault.error.status in {400, 413, 431}


def test_pipelined_requests_are_answered_in_their_order() -> None:
    async def test(to: Served) -> None:
        reader, writer = await to.open()
        slow = GET.replace(b"/a?b=c", b"/slow")
        writer.write(slow + POST + GET + POST)
        await until(lambda: bool(to.application.asked), "the first request asked")
        assert to.application.asked == ["/slow"]
        to.application.release.set()
        found = b""
        async with asyncio.timeout(60):
            while found.count(b"HTTP/1.1 200 OK") < 4 or not found.endswith(b"abc"):
                found += await reader.read(65536)
        assert to.application.asked == ["/slow", "/p", "/a", "/p"]
        writer.close()

    served(test)


class Written(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.parts.append(bytes(data))

    def is_reading(self) -> bool:
        return True

    def pause_reading(self) -> None:
        """Nothing is read."""


def test_what_waits_for_nothing_is_answered_at_once_but_one_of_many_in_a_turn() -> None:
    async def run() -> None:
        connection, written = Connections(Echo(), LIMITS).made(), Written()
        connection.connection_made(written)
        connection.data_received(GET)
        assert len(written.parts) == 1
        connection.data_received(POST * 3)
        assert len(written.parts) == 2
        await until(lambda: len(written.parts) == 4, "answers to the others")
        assert all(part.endswith(b"POST /p abc") for part in written.parts[1:])

    _run(run())


def test_who_asks_for_a_task_has_one_and_is_cancelled_with_it() -> None:
    async def run() -> None:
        echo, written = Echo(), Written()
        connection = Connections(echo, LIMITS).made()
        connection.connection_made(written)
        connection.data_received(GET.replace(b"/a", b"/task"))
        await until(lambda: echo.asked == ["/task", "True"], "task")
        connection.connection_lost(None)
        echo.release.set()
        await until(lambda: len(asyncio.all_tasks()) == 1, "end of the task")
        assert not written.parts

    _run(run())


def test_after_close_nothing_more_is_answered() -> None:
    async def test(to: Served) -> None:
        found = await to.said(GET + last(POST) + GET)
        assert found.count(b"HTTP/1.1 ") == 2
        assert found.count(b"connection: close") == 1
        assert found.endswith(b"\r\n\r\nPOST /p abc")
        old = await to.said(b"GET /a HTTP/1.0\r\n\r\n" + GET)
        assert old.count(b"HTTP/1.1 ") == 1

    served(test)


def test_an_upgrade_is_not_taken_up() -> None:
    async def test(to: Served) -> None:
        found = await to.said(
            GET.replace(b"x\r\n", b"x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n") + GET
        )
        assert found.count(b"HTTP/1.1 200 OK") == 1

    served(test)


def test_a_fault_is_answered_after_what_came_before_it() -> None:
    async def test(to: Served) -> None:
        found = await to.said(POST + b"rubbish\r\n\r\n" + POST)
        assert found.startswith(b"HTTP/1.1 200 OK")
        assert found.count(b"HTTP/1.1 ") == 2
        assert b"HTTP/1.1 400 Bad Request" in found

    served(test)


def test_who_sends_too_much_gets_its_answer_while_it_still_sends() -> None:
    async def test(to: Served) -> None:
        head = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
        found = await to.said(head, *[b"x" * 100_000] * 50)
        assert found.startswith(b"HTTP/1.1 413 ")
        assert b'"path":"/p"' in found

    served(test)


def test_a_client_that_waits_to_be_told_is_told_to_send_its_body() -> None:
    async def test(to: Served) -> None:
        head = POST.replace(b"\r\n\r\nabc", b"\r\nExpect: 100-continue\r\n\r\n")
        reader, writer = await to.open()
        writer.write(head)
        async with asyncio.timeout(60):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"abc")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        writer.close()

    served(test)


def test_head_is_answered_without_a_body() -> None:
    async def test(to: Served) -> None:
        found = await to.said(last(GET).replace(b"GET", b"HEAD"))
        assert b"content-length: 8\r\n" in found
        assert found.endswith(b"\r\n\r\n")

    served(test)


@pytest.mark.parametrize("sent", [b"", GET[:10], POST[:-2], CHUNKED[:60]])
def test_a_client_that_dawdles_is_sent_away(sent: bytes) -> None:
    async def test(to: Served) -> None:
        reader, writer = await to.open()
        writer.write(sent)
        since = await begun(to, is_amid=bool(sent))
        to.connections.sweep(since + 0.5)
        assert to.connections.open
        to.connections.sweep(since + 1.5)
        async with asyncio.timeout(60):
            found = await reader.read()
        assert found.startswith(b"HTTP/1.1 408 " if sent else b"")
        assert bool(found) is bool(sent)
        writer.close()

    served(test)


def test_a_drop_at_a_time_buys_no_more_time() -> None:
    async def test(to: Served) -> None:
        reader, writer = await to.open()
        for byte in GET[:-1]:
            writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        since = await begun(to, is_amid=True)
        to.connections.sweep(since + 2)
        async with asyncio.timeout(60):
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()

    served(test)


def test_a_client_that_does_not_read_is_cut_off() -> None:
    async def test(to: Served) -> None:
        _, writer = await to.open()
        writer.write(GET.replace(b"/a?b=c", b"/large") * 8)
        await begun(to, is_amid=False)
        (connection,) = to.connections.open
        await until(lambda: connection._is_paused, "the client's buffer full")
        assert to.application.asked.count("/large") < 8
        connection.require_progress(asyncio.get_running_loop().time() + 2)
        await until(lambda: not to.connections.open, "the connection gone")
        writer.close()

    served(test)


def test_who_goes_away_ends_what_is_done_for_them() -> None:
    async def test(to: Served) -> None:
        _, writer = await to.open()
        writer.write(GET.replace(b"/a?b=c", b"/slow"))
        await until(lambda: to.application.asked == ["/slow"], "the slow request asked")
        writer.close()
        await until(lambda: bool(to.application.cancelled), "request cancelled")
        assert to.application.cancelled == ["/slow"]

    served(test)


def test_one_connection_too_many_is_told_so() -> None:
    async def test(to: Served) -> None:
        held = [await to.open() for _ in range(3)]
        assert (await to.said(b"")).startswith(b"HTTP/1.1 429 ")
        for _, writer in held:
            writer.close()
        await until(lambda: not to.connections.open, "all connections gone")
        assert (await to.said(last(GET))).startswith(b"HTTP/1.1 200 ")

    served(test)


def test_bodies_that_do_not_fit_together_are_refused_and_the_others_answered() -> None:
    limits = dataclasses.replace(LIMITS, body_bytes=300_000, bodies_bytes=500_000)
    head = POST.replace(b"3\r\n\r\nabc", b"300000\r\n\r\n")

    async def test(to: Served) -> None:
        room = to.connections.room
        reader, writer = await to.open()
        writer.write(head + b"x" * 299_999)
        await until(lambda: room.taken > 200_000, "first body under way")
        refused = await to.said(head + b"x" * 300_000)
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert b"together would be over 500000 bytes" in refused
        writer.write(b"x")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        # Whoever leaves in the middle gives back what they took.
        _, leaving = await to.open()
        leaving.write(head + b"x" * 200_000)
        await until(lambda: room.taken > 0, "body under way")
        leaving.close()
        await until(lambda: room.taken == 0, "room given back")
        for _ in range(4):
            reader, writer = await to.open()
            writer.write(head + b"x" * 300_000)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            writer.close()

    served(test, limits)


def test_each_answer_gives_back_what_its_body_took_whatever_waits_behind_it() -> None:
    room = Room(1_000_000)
    reader = Reader(body_limit=300_000, room=room)
    large = POST.replace(b"3\r\n\r\nabc", b"200000\r\n\r\n") + b"x" * 200_000
    assert reader.feed(large + POST + large + large[:-1]) is None
    assert len(reader.requests) == 3
    left = []
    for _ in range(3):
        reader.answered()
        left.append(room.taken)
    assert left == [399_999, 399_999, 199_999]
    reader.closed()
    assert room.taken == 0


def test_after_an_answer_to_an_old_client_the_connection_ends() -> None:
    async def test(to: Served) -> None:
        kept = GET.replace(b"1.1", b"1.0").replace(b"x\r\n", b"x\r\nConnection: keep-alive\r\n")
        found = await to.said(kept + GET)
        assert found.count(b"HTTP/1.1 200 ") == 1
        assert b"connection: close\r\n" in found

    served(test)


def test_a_signal_lets_what_is_asked_be_answered_and_nothing_else() -> None:
    async def main() -> None:
        echo, port, stopped = Echo(), free_port(), list[signal.Signals]()
        serving = asyncio.create_task(
            server.serve(echo, ("127.0.0.1", port), Limits(), stopping=stopped.append)
        )
        await until(lambda: addresses.listens(port), "a server that listens")
        _, idle = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET.replace(b"/a?b=c", b"/slow"))
        await until(lambda: echo.asked == ["/slow"], "the slow request asked")
        signal.raise_signal(signal.SIGTERM)
        await until(lambda: stopped == [signal.SIGTERM], "the signal taken")
        await until(lambda: not addresses.listens(port), "nothing that listens")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        assert not serving.done()
        echo.release.set()
        async with asyncio.timeout(60):
            assert b"connection: close" in await reader.read()
            await serving
        for one in (idle, writer):
            one.close()

    _run(main())
