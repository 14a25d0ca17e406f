"""What a hostile or a dead client may cost: each known attack on HTTP/2, and the limits' edges."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import Callable

import hpack
import pytest
from hyperframe import frame as hyperframe

from runtime.limits import Limits
from runtime.protocols.grpc.calls import Code
from runtime.wire.http2 import frames
from runtime.wire.http2.connection import Connections
from runtime.wire.http2.frames import Trouble
from runtime.wire.http2.stream import WINDOW
from runtime.wire.http2.streams import AT_ONCE
from tests.runtime.http2_peer import (
    GREETING,
    LIMIT,
    Peer,
    block,
    broken,
    call,
    data,
    headers,
    message,
    plain,
    run,
)

WAIT = {":path": "/wait"}
STREAM = {":path": "/stream"}
RAPID = b"".join(
    call(number, **WAIT) + frames.reset(number, Trouble.CANCEL) for number in range(1, 4001, 2)
)
# Ours resets what the client makes it reset, as in "MadeYouReset".
MADE = b"".join(
    headers(number, block(**WAIT)) + frames.window_update(number, 0) for number in range(1, 4001, 2)
)
BOMB = b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000 + b"\xbe" * 20_000


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(RAPID, id="rapid resets"),
        pytest.param(MADE, id="resets that we are made to send"),
        pytest.param(frames.frame(6, 0, 0, bytes(8)) * 20_001, id="pings"),
        pytest.param(frames.settings({4: 70_000}) * 101, id="settings"),
        pytest.param(frames.frame(2, 0, 1, bytes(5)) * 20_001, id="priorities"),
        pytest.param(frames.frame(0x77, 0, 0, b"") * 20_001, id="frames of no known type"),
        pytest.param(frames.window_update(0, 1) * 20_001, id="windows that grow by one"),
        pytest.param(headers(1, block()) + data(1, b"", 0) * 1001, id="empty data"),
        pytest.param(headers(1, b"", 0) + frames.frame(9, 0, 1, b"") * 17, id="continuations"),
        pytest.param(headers(1, b"", 0) + frames.frame(9, 0, 1, bytes(60_000)) * 2,
                     id="a header block that does not end"),
        pytest.param(headers(1, BOMB), id="few bytes that are many headers"),
        pytest.param(call(1) + data(1, b"") * 20_010, id="data behind the end"),
    ],
)  # fmt: skip
def test_a_flood_ends_the_connection(sent: bytes) -> None:
    assert broken(sent) is Trouble.ENHANCE_YOUR_CALM


def test_what_pings_and_resets_are_free_of_comes_back_every_second() -> None:
    async def conversation() -> None:
        peer, pings = Peer(), frames.frame(6, 0, 0, bytes(8)) * 15_000
        peer.send(GREETING, pings)
        peer.session.sweep(asyncio.get_running_loop().time(), deadline=30)
        peer.send(pings)
        assert peer.out.count(frames.frame(6, frames.ACK, 0, bytes(8))) == 30_000

    run(conversation)


def test_a_call_that_its_client_resets_is_cancelled() -> None:
    async def conversation() -> None:
        peer = Peer()
        peer.send(GREETING, call(1, **WAIT), call(3, **WAIT))
        await peer.said()
        assert peer.waiting == 2
        peer.send(frames.reset(1, Trouble.CANCEL))
        await peer.said()
        assert (peer.waiting, peer.cancelled) == (1, 1)
        peer.session.streams.abandon()
        await peer.said()
        assert (peer.waiting, peer.shared.held) == (0, 0)

    run(conversation)


def test_what_was_reset_counts_until_it_has_ended() -> None:
    async def conversation() -> tuple[int, int]:
        peer = Peer()
        peer.send(GREETING, *(call(number, **WAIT) for number in range(1, 2 * AT_ONCE, 2)))
        await peer.said()
        for number in range(1, 2 * AT_ONCE, 2):
            peer.send(frames.reset(number, Trouble.CANCEL))
        peer.send(call(2 * AT_ONCE + 1))
        said = await peer.said()
        (refused,) = [one for one in said if isinstance(one, hyperframe.RstStreamFrame)]
        peer.send(call(2 * AT_ONCE + 3))
        answers = await peer.answers()
        return refused.error_code, len(answers)

    assert run(conversation) == (Trouble.REFUSED_STREAM, 1)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(data(1, b""), Code.INTERNAL, id="no message"),
        pytest.param(data(1, message(b"a") * 2), Code.INTERNAL, id="two messages"),
        pytest.param(data(1, message(b"abc")[:-1]), Code.INTERNAL, id="a message cut off"),
        pytest.param(data(1, b"\0\0"), Code.INTERNAL, id="less than a message begins with"),
        pytest.param(data(1, message(b"a", 2)), Code.INVALID_ARGUMENT, id="an unknown flag"),
        pytest.param(data(1, b"\0\xff\xff\xff\xff", 0), Code.RESOURCE_EXHAUSTED,
                     id="four gigabytes announced"),
        pytest.param(data(1, message(bytes(LIMIT + 1)), 0), Code.RESOURCE_EXHAUSTED,
                     id="a message over the limit"),
        pytest.param(data(1, message(b"a", 1)), Code.INVALID_ARGUMENT, id="packed in no known way"),
    ],
)  # fmt: skip
def test_what_is_not_one_message_is_refused_and_forgotten(sent: bytes, code: Code) -> None:
    async def conversation() -> int:
        peer = Peer()
        peer.send(GREETING, headers(1, block()), sent)
        answers = await peer.answers()
        assert answers[1][2]
        assert peer.shared.held == 0
        return int(answers[1][1]["grpc-status"])

    assert run(conversation) == code


@pytest.mark.parametrize(
    ("coding", "packed", "code"),
    [
        ("gzip", gzip.compress(b"hi"), Code.OK),
        ("deflate", zlib.compress(b"hi"), Code.OK),
        ("identity", b"hi", Code.INVALID_ARGUMENT),
        ("gzip", gzip.compress(bytes(LIMIT * 100)), Code.RESOURCE_EXHAUSTED),
        ("gzip", gzip.compress(b"hi")[:-4], Code.INVALID_ARGUMENT),
        ("snappy", b"hi", Code.UNIMPLEMENTED),
    ],
    ids=["gzip", "deflate", "not said how", "a bomb", "cut off", "unknown"],
)
def test_packed_messages_are_unpacked_within_limits(coding: str, packed: bytes, code: Code) -> None:
    async def conversation() -> dict[int, tuple[bytes, dict[str, str], bool]]:
        peer = Peer()
        asked = headers(1, block(**{"grpc-encoding": coding}))
        peer.send(GREETING, asked, data(1, message(packed, 1)))
        return await peer.answers()

    body, fields, _ = run(conversation)[1]
    assert int(fields["grpc-status"]) == code
    assert body == (message(b"hi") if code is Code.OK else b"")
    assert fields["grpc-accept-encoding"] == "identity,deflate,gzip"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"content-type": "application/json"}, "415", None),
        ({"content-type": "application/grpc-web"}, "415", None),
        ({":method": "GET"}, "415", None),
        ({"content-type": "application/grpc+proto"}, "200", Code.OK),
        ({":path": "/nowhere"}, "200", Code.UNIMPLEMENTED),
        ({"grpc-timeout": "1x"}, "200", Code.INTERNAL),
        ({"grpc-timeout": "123456789S"}, "200", Code.INTERNAL),
        ({":path": "/no"}, "200", Code.NOT_FOUND),
    ],
)
def test_calls_that_are_none_are_told_so(
    changes: dict[str, str], status: str, code: Code | None
) -> None:
    async def conversation() -> dict[int, tuple[bytes, dict[str, str], bool]]:
        peer = Peer()
        peer.send(GREETING, call(1, **changes))
        return await peer.answers()

    _, fields, is_ended = run(conversation)[1]
    assert is_ended
    assert fields[":status"] == status
    assert fields.get("grpc-status") == (None if code is None else str(int(code)))
    assert fields.get("grpc-message", "50 %25 of%0Anothing: %C3%BC").isascii()
    if code is Code.NOT_FOUND:
        assert fields["grpc-message"] == "50 %25 of%0Anothing: %C3%BC"


def test_all_connections_together_keep_no_more_than_they_may() -> None:
    async def conversation() -> int:
        peer = Peer(most_held=10_000)
        part = message(bytes(LIMIT))[:-1]
        for number in (1, 3, 5):
            peer.send(GREETING if number == 1 else b"", headers(number, block()),
                      data(number, part, 0))  # fmt: skip
        answers = await peer.answers()
        assert list(answers) == [5]
        assert peer.shared.held <= 10_000
        peer.session.streams.abandon()
        assert peer.shared.held == 0
        return int(answers[5][1]["grpc-status"])

    assert run(conversation) == Code.RESOURCE_EXHAUSTED


def test_messages_that_nobody_asks_for_keep_the_window_shut() -> None:
    async def conversation() -> None:
        peer, part = Peer(), message(bytes(1024)) * 50
        # No answer may go, so the method asks for no more.
        peer.send(frames.PREFACE, frames.settings({4: 0}), headers(1, block(**STREAM)))
        said: list[hyperframe.Frame] = []
        sent = 0
        while peer.session.streams.open:
            peer.send(data(1, part, 0))
            said += await peer.said()
            sent += len(part)
        (reset,) = [one for one in said if isinstance(one, hyperframe.RstStreamFrame)]
        assert reset.error_code == Trouble.FLOW_CONTROL_ERROR
        assert WINDOW < sent <= WINDOW + 2 * len(part)
        assert peer.shared.held == 0

    run(conversation)


def test_time_ends_what_does_not_come_is_not_read_or_is_not_waited_for() -> None:
    async def conversation() -> dict[int, tuple[bytes, dict[str, str], bool]]:
        peer, now = Peer(), asyncio.get_running_loop().time()
        peer.send(
            frames.PREFACE,
            frames.settings({4: 3}),
            headers(1, block()),  # and no message
            headers(3, block()) + data(3, message(b"cut")[:-1], 0),
            call(5, b"its window lets little of this through"),
            call(7, **WAIT, **{"grpc-timeout": "5S"}),
            headers(9, block(**STREAM)),  # idle, which a stream may be
            call(11, **WAIT),
        )
        await peer.said()
        peer.session.sweep(now + 29, deadline=30)
        early = await peer.answers()
        assert early[7][1]["grpc-status"] == str(int(Code.DEADLINE_EXCEEDED))
        peer.session.sweep(asyncio.get_running_loop().time() + 31, deadline=30)
        late = await peer.answers()
        assert list(peer.session.streams.open) == [9, 11]
        peer.session.streams.abandon()
        return late

    late = run(conversation)
    assert [late[number][1].get("grpc-status") for number in (1, 3)] == ["4", "4"]
    assert late[5] == (b"", {}, False)  # a reset


def test_a_drain_answers_what_is_owed_and_ends_what_would_go_on_for_ever() -> None:
    async def conversation() -> None:
        peer = Peer()
        peer.send(GREETING, headers(1, block(**STREAM)), headers(3, block()))
        await peer.said()
        peer.session.drain()
        said = await peer.said()
        (goaway,) = [one for one in said if isinstance(one, hyperframe.GoAwayFrame)]
        (ping,) = [one for one in said if isinstance(one, hyperframe.PingFrame)]
        assert (goaway.last_stream_id, goaway.error_code) == (2**31 - 1, 0)
        assert 1 not in peer.session.streams.open
        # Sent before the client knew: it is answered.
        peer.send(call(5), data(3, message(b"late")), frames.frame(6, 1, 0, ping.opaque_data))
        said = await peer.said()
        (last,) = [one for one in said if isinstance(one, hyperframe.GoAwayFrame)]
        assert last.last_stream_id == 5
        assert [one.stream_id for one in said if isinstance(one, hyperframe.DataFrame)] == [5, 3]
        assert peer.is_done

    run(conversation)


def test_a_client_that_dawdles_over_a_frame_or_its_greeting_is_sent_away() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        connections = Connections({}.get, Limits(connections=2))
        server = await loop.create_server(connections.made, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        silent, cut = [await asyncio.open_connection(*address) for _ in range(2)]
        cut[1].write(GREETING + b"\0\0")
        crowd = await asyncio.open_connection(*address)
        await until(lambda: len(connections.open) == 3, "three connections")
        connections.sweep(loop.time() + 31)
        assert b"too many connections" in await crowd[0].read()
        for reader, _ in (silent, cut):
            assert b"the rest of a frame did not come" in await reader.read()
        idle = await asyncio.open_connection(*address)
        idle[1].write(GREETING)
        greeted = await idle[0].readuntil(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))
        connections.sweep(loop.time() + 31)
        connections.sweep(loop.time() + 121)  # it is told, and a second later it is closed
        connections.sweep(loop.time() + 122)
        said = await idle[0].read()
        assert frames.goaway(0, Trouble.NO_ERROR) in greeted + said
        for _, writer in (silent, cut, crowd, idle):
            writer.close()
        server.close()
        await until(lambda: not connections.open, "connection less")

    asyncio.run(main())


async def until(holds: Callable[[], bool], what: str) -> None:
    """However long a busy machine takes for it."""
    end = asyncio.get_running_loop().time() + 60
    while not holds():
        assert asyncio.get_running_loop().time() < end, f"no {what}"
        await asyncio.sleep(0.001)


async def poured(client: socket.socket) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(client, frames.frame(6, 0, 0, bytes(8)) * 500)


def test_a_client_that_reads_nothing_is_read_no_further_and_then_cut_off() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        connections = Connections({}.get, Limits())
        server = await loop.create_server(connections.made, "127.0.0.1", 0)
        server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_sendall(client, GREETING)
            await until(lambda: bool(connections.open), "connection accepted")
            (connection,) = connections.open
            pouring = loop.create_task(poured(client))
            while connection._transport.is_reading():
                await asyncio.sleep(0)
                connections.sweep(loop.time())  # as if a second had passed, of pings that are free
            pouring.cancel()
            assert not connection._is_ending
            connections.sweep(loop.time() + 31)
            await until(lambda: not connections.open, "connection cut off")
        server.close()

    asyncio.run(main())


def test_a_block_of_many_sizes_of_the_table_is_no_way_around_its_limit() -> None:
    assert broken(headers(1, b"\x3f\xe1\x1f" + plain([]) + b"\x3f\xe2\x1f")) is (
        Trouble.COMPRESSION_ERROR
    )
    assert hpack.Decoder().max_allowed_table_size == 4096
