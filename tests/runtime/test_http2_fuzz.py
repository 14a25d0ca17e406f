"""Frames at random, good and bad: a connection ends or goes on, and leaves nothing behind."""

import asyncio
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.wire.http2 import frames
from runtime.wire.http2.frames import Broken
from tests.runtime.http2_peer import GREETING, Peer, block, call, data, headers, message, run

NUMBER = st.sampled_from([0, 1, 2, 3, 5, 7, 9, 2**31 - 1])
PATH = st.sampled_from(["/echo", "/stream", "/wait", "/no", "/nowhere"])
PIECE = st.one_of(
    st.builds(frames.frame, st.integers(0, 11), st.integers(0, 255), NUMBER,
              st.binary(max_size=40)),
    st.builds(lambda number, path: call(number, **{":path": path}), NUMBER, PATH),
    st.builds(lambda number, path, flags: headers(number, block(**{":path": path}), flags),
              NUMBER, PATH, st.sampled_from([0, 1, 4, 5])),
    st.builds(lambda number, text, flags, cut: data(number, message(text)[:cut], flags),
              NUMBER, st.binary(max_size=50), st.sampled_from([0, 1]), st.integers(0, 60)),
    st.builds(frames.window_update, NUMBER, st.sampled_from([0, 1, 100, 2**31 - 1])),
    st.builds(frames.settings, st.dictionaries(
        st.integers(0, 7), st.sampled_from([0, 1, 2, 10, 16_384, 2**31 - 1, 2**32 - 1]),
        max_size=3)),
    st.binary(max_size=30),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECE, max_size=25), st.integers(1, 400), st.booleans())
def test_no_frames_crash_a_session_and_none_leave_anything_behind(
    pieces: list[bytes], size: int, is_drained: bool
) -> None:
    async def conversation() -> None:
        peer, whole = Peer(), GREETING + b"".join(pieces)
        try:
            for at in range(0, len(whole), size):
                peer.send(whole[at : at + size])
                await asyncio.sleep(0)
            if is_drained:
                peer.session.drain()
        except Broken as error:
            peer.session.streams.abandon()
            peer.session.broken(error)
        peer.session.sweep(asyncio.get_running_loop().time() + 100, deadline=30)
        await peer.said()  # what was written are frames
        peer.session.streams.abandon()
        await peer.said()
        assert (peer.waiting, peer.shared.held, len(peer.session.streams.open)) == (0, 0, 0)

    run(conversation)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.binary(max_size=3000), st.integers(1, 900)), min_size=1, max_size=12),
    st.integers(1, 2000), st.integers(0, 3000), st.randoms(use_true_random=False),
)  # fmt: skip
def test_every_call_is_answered_however_it_is_cut_and_windowed(
    asked: list[tuple[bytes, int]], size: int, window: int, random: Random
) -> None:
    """Calls of all streams in a random order of their frames, and a window that opens late."""

    async def conversation() -> None:
        peer, queues = Peer(), dict[int, list[bytes]]()
        for position, (text, cut) in enumerate(asked):
            number, whole = 2 * position + 1, message(text)
            parts = [whole[at : at + cut] for at in range(0, len(whole), cut)]
            queues[number] = [data(number, part, 0) for part in parts[:-1]]
            queues[number].append(data(number, parts[-1]))
        sent = frames.PREFACE + frames.settings({4: window})
        sent += b"".join(headers(number, block()) for number in queues)
        while queues:
            number = random.choice(list(queues))
            sent += queues[number].pop(0)
            queues = {one: left for one, left in queues.items() if left}
        for at in range(0, len(sent), size):
            peer.send(sent[at : at + size])
        for _ in asked:
            await asyncio.sleep(0)
        peer.send(frames.window_update(0, 2**30), frames.settings({4: 2**20}))
        found = await peer.answers()
        assert {number: body for number, (body, _, _) in found.items()} == {
            2 * position + 1: message(text) for position, (text, _) in enumerate(asked)
        }
        assert peer.shared.held == 0

    run(conversation)
