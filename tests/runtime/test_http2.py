"""HTTP/2 by its specification: each way in which a client can break it, and what it may do."""

import asyncio
from typing import Any

import h2.config
import h2.connection
import h2.events
import hpack
import pytest
from hyperframe import frame as hyperframe

from runtime.wire.http2 import frames
from runtime.wire.http2.frames import Broken, Trouble
from runtime.wire.http2.heads import Head, Heads
from tests.runtime.http2_peer import (
    ASKED,
    GREETING,
    Peer,
    block,
    broken,
    call,
    data,
    headers,
    message,
    plain,
    run,
)  # fmt: skip

OPEN = headers(1, block())
PRIORITY = bytes(5)


@pytest.mark.parametrize(
    ("sent", "trouble"),
    [
        pytest.param(data(1, b""), 1, id="data of a stream that never was"),
        pytest.param(data(0, b""), 1, id="data of no stream"),
        pytest.param(headers(2, block()), 1, id="a stream of the server's"),
        pytest.param(headers(0, block()), 1, id="headers of no stream"),
        pytest.param(frames.reset(1, Trouble.CANCEL), 1, id="reset of a stream that never was"),
        pytest.param(frames.window_update(1, 1), 1, id="a window of a stream that never was"),
        pytest.param(headers(1, block(), 0) + data(1, b""), 1, id="data amid a header block"),
        pytest.param(headers(1, block(), 0) + frames.frame(9, 4, 3, b""), 1,
                     id="another's continuation"),
        pytest.param(frames.frame(9, 4, 1, b""), 1, id="continuation of nothing"),
        pytest.param(frames.frame(5, 4, 1, bytes(4)), 1, id="a push"),
        pytest.param(headers(1, b"\xff\xff\xff\xff\xff"), 9, id="headers that are no HPACK"),
        pytest.param(headers(1, b"\xbe"), 9, id="a header that the table has not"),
        pytest.param(headers(1, b"\x3f\xff\xff\x03"), 9, id="a table larger than allowed"),
        pytest.param(frames.frame(1, 8 | 4, 1, b"\x05abc"), 1, id="nothing but padding"),
        pytest.param(OPEN + frames.frame(0, 8, 1, b"\x01"), 1, id="padding longer than data"),
        pytest.param(frames.frame(1, 32 | 4, 1, b"abc"), 6, id="a priority cut off"),
        pytest.param(frames.frame(2, 0, 0, PRIORITY), 1, id="priority of no stream"),
        pytest.param(frames.frame(2, 0, 1, b"1234"), 1, id="a short priority"),
        pytest.param(frames.frame(3, 0, 1, b"123"), 6, id="a short reset"),
        pytest.param(frames.frame(4, 0, 0, b"12345"), 6, id="settings cut off"),
        pytest.param(frames.frame(4, 1, 0, bytes(6)), 6, id="an acknowledgement that says more"),
        pytest.param(frames.frame(4, 0, 1, b""), 1, id="settings of a stream"),
        pytest.param(frames.settings({2: 2}), 1, id="push neither on nor off"),
        pytest.param(frames.settings({4: 2**31}), 3, id="a first window too large"),
        pytest.param(frames.settings({5: 16_383}), 1, id="frames too small"),
        pytest.param(frames.settings({5: 2**24}), 1, id="frames too large"),
        pytest.param(OPEN + frames.window_update(1, 2**31 - 65_536) + frames.settings({4: 65_537}),
                     3, id="settings that make a window too large"),
        pytest.param(frames.frame(6, 0, 0, b"1234567"), 6, id="a short ping"),
        pytest.param(frames.frame(6, 0, 1, bytes(8)), 1, id="ping of a stream"),
        pytest.param(frames.frame(7, 0, 1, bytes(8)), 1, id="goaway of a stream"),
        pytest.param(frames.window_update(0, 0), 1, id="a window that grows by nothing"),
        pytest.param(frames.window_update(0, 2**31 - 1), 3, id="a window that grows too large"),
        pytest.param(frames.frame(8, 0, 0, b"123"), 6, id="a short window update"),
        pytest.param(frames.frame(0, 0, 1, bytes(frames.FRAME_BYTES + 1)), 6, id="a large frame"),
    ],
)  # fmt: skip
def test_what_breaks_a_connection_says_how(sent: bytes, trouble: int) -> None:
    assert broken(sent) == trouble


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"PRI *?"])
def test_what_is_not_http2_is_told_what_is_spoken_here(first: bytes) -> None:
    async def conversation() -> str:
        with pytest.raises(Broken) as caught:
            Peer().send(first)
        return caught.value.text

    assert "over HTTP/2 without TLS" in run(conversation)


def test_the_first_frame_is_settings() -> None:
    async def conversation() -> Trouble:
        with pytest.raises(Broken) as caught:
            Peer().send(frames.PREFACE, frames.frame(6, 0, 0, bytes(8)))
        return caught.value.trouble

    assert run(conversation) is Trouble.PROTOCOL_ERROR


def fields(*more: tuple[bytes, bytes], without: str = "") -> bytes:
    known = [(name.encode(), value.encode()) for name, value in ASKED.items() if name != without]
    return plain([*known, *more])


@pytest.mark.parametrize(
    ("sent", "trouble"),
    [
        pytest.param(headers(1, fields((b"Upper", b"x"))), 1, id="an upper-case name"),
        pytest.param(headers(1, fields((b"", b"x"))), 1, id="no name"),
        pytest.param(headers(1, fields((b"x", b"a\r\nb"))), 1, id="a line end in a value"),
        pytest.param(headers(1, fields((b"connection", b"close"))), 1, id="connection"),
        pytest.param(headers(1, fields((b"transfer-encoding", b"chunked"))), 1, id="chunked"),
        pytest.param(headers(1, fields((b"te", b"gzip"))), 1, id="te other than trailers"),
        pytest.param(headers(1, fields((b":path", b"/m"))), 1, id="a pseudo-header behind others"),
        pytest.param(headers(1, fields((b":status", b"200"))), 1, id="an answer's pseudo-header"),
        pytest.param(headers(1, fields(without=":path")), 1, id="no path"),
        pytest.param(headers(1, fields(without=":scheme")), 1, id="no scheme"),
        pytest.param(headers(1, fields(without=":method")), 1, id="no method"),
        pytest.param(headers(1, fields(*[(b"x", b"")] * 130)), 1, id="too many"),
        pytest.param(OPEN + frames.window_update(1, 0), 1, id="a window that grows by nothing"),
        pytest.param(OPEN + frames.window_update(1, 2**31 - 1), 3, id="a window grown too large"),
        pytest.param(OPEN + headers(1, plain([(b"x", b"y")])), 1, id="trailers that end nothing"),
        pytest.param(OPEN + headers(1, plain([(b":path", b"/")]), 5), 1, id="trailers with a path"),
        pytest.param(call(1, **{":path": "/wait"}) + data(1, b""), 5, id="data behind the end"),
        pytest.param(call(1, **{":path": "/wait"}) + headers(1, b"", 5), 5, id="headers behind it"),
    ],
)  # fmt: skip
def test_what_breaks_a_stream_ends_that_one_alone(sent: bytes, trouble: int) -> None:
    async def conversation() -> tuple[list[int], bytes]:
        peer = Peer()
        peer.send(GREETING, sent, call(3, b"another"))
        said = await peer.said()
        resets = [one.error_code for one in said
                  if isinstance(one, hyperframe.RstStreamFrame) and one.stream_id == 1]  # fmt: skip
        (answer,) = [one.data for one in said if isinstance(one, hyperframe.DataFrame)]
        assert not peer.session.streams.open
        return resets, answer

    assert run(conversation) == ([trouble], message(b"another"))


def test_frames_of_a_stream_that_has_ended_are_refused_unless_it_was_reset_here() -> None:
    async def conversation() -> list[int]:
        peer = Peer()
        peer.send(GREETING, call(1), headers(3, fields(without=":path")))
        await peer.said()
        peer.send(data(1, b""), data(3, b""))
        return [one.stream_id for one in await peer.said()
                if isinstance(one, hyperframe.RstStreamFrame)]  # fmt: skip

    assert run(conversation) == [1]


def test_bytes_may_come_in_any_pieces() -> None:
    async def conversation() -> None:
        whole = GREETING + call(1, b"x" * 300) + call(3)
        for size in (1, 2, 3, 7, 10, 50):
            peer = Peer()
            for at in range(0, len(whole), size):
                peer.send(whole[at : at + size])
            found = await peer.answers()
            assert {number: one[0] for number, one in found.items()} == {
                1: message(b"x" * 300), 3: message(b"hi"),
            }  # fmt: skip

    run(conversation)


def test_a_header_block_may_go_on_and_be_padded() -> None:
    async def conversation() -> Any:
        peer, whole = Peer(), block()
        padded = b"\x03" + PRIORITY + whole[:10] + bytes(3)
        peer.send(GREETING, frames.frame(1, 8 | 32, 1, padded), frames.frame(9, 0, 1, whole[10:20]),
                  frames.frame(9, 4, 1, whole[20:]), frames.frame(0, 8 | 1, 1, b"\x02" +
                  message(b"hi") + bytes(2)))  # fmt: skip
        return await peer.answers()

    assert run(conversation)[1][0] == message(b"hi")


def test_equal_bytes_are_another_head_once_the_table_has_changed() -> None:
    heads, encoder = Heads(), hpack.Encoder()
    first = encoder.encode((ASKED | {":path": "/a"}).items())
    again = encoder.encode((ASKED | {":path": "/a"}).items())
    assert heads.request(first) == heads.request(again) == heads.request(again)
    assert heads.request(again) is heads.request(again)
    # Whatever comes before the path in the table moves what `again` refers to.
    heads.fields(b"\x40\x01a\x01b")
    moved = heads.request(again)
    assert not isinstance(moved, Head) or moved.path != b"/a"


def test_answers_wait_for_their_windows_and_go_on_in_pieces() -> None:
    async def conversation() -> list[int]:
        peer = Peer()
        peer.send(frames.PREFACE, frames.settings({4: 10}), call(1, b"x" * 50))
        sizes = [
            len(one.data) for one in await peer.said() if isinstance(one, hyperframe.DataFrame)
        ]
        for _ in range(3):
            peer.send(frames.window_update(1, 20))
            said = await peer.said()
            sizes += [len(one.data) for one in said if isinstance(one, hyperframe.DataFrame)]
        assert isinstance(said[-1], hyperframe.HeadersFrame)
        assert "END_STREAM" in said[-1].flags
        return sizes

    assert run(conversation) == [10, 20, 20, 5]


def test_a_window_made_smaller_holds_back_what_is_under_way() -> None:
    async def conversation() -> int:
        peer = Peer()
        peer.send(frames.PREFACE, frames.settings({4: 10}), call(1, b"x" * 50))
        await peer.said()
        peer.send(frames.settings({4: 0}), frames.window_update(1, 10))  # from -10 to 0
        none = [one for one in await peer.said() if isinstance(one, hyperframe.DataFrame)]
        peer.send(frames.window_update(1, 5))
        (piece,) = [one for one in await peer.said() if isinstance(one, hyperframe.DataFrame)]
        peer.session.streams.abandon()
        return len(none) * 1000 + len(piece.data)

    assert run(conversation) == 5


def test_another_implementation_gets_many_answers_at_once() -> None:
    async def conversation() -> dict[int, bytes]:
        peer, client = Peer(), h2.connection.H2Connection(h2.config.H2Configuration())
        client.initiate_connection()
        for number in range(1, 100, 2):
            client.send_headers(number, list(ASKED.items()))
        for number in range(1, 100, 2):
            client.send_data(number, message(b"x" * number), end_stream=True)
        found: dict[int, bytes] = {}
        for _ in range(20):
            peer.send(client.data_to_send())
            await asyncio.sleep(0)
            events = client.receive_data(bytes(peer.out))
            peer.out.clear()
            for event in events:
                if isinstance(event, h2.events.DataReceived):
                    found[event.stream_id] = found.get(event.stream_id, b"") + event.data
        assert not peer.session.streams.open
        return found

    assert run(conversation) == {one: message(b"x" * one) for one in range(1, 100, 2)}
