"""All streams of one connection: which there are, what each frame of theirs means, their windows.

What only costs (resets, pings, empty frames) is paid from a purse that is filled once a second.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from runtime.protocols.grpc.calls import Code, Ending, Find, Streaming, Unary
from runtime.wire.http2 import answers, frames, messages
from runtime.wire.http2.frames import Broken, Trouble
from runtime.wire.http2.heads import Head, Heads, Malformed, is_field
from runtime.wire.http2.stream import Stream

AT_ONCE = 256
CONNECTION_WINDOW = 8 * 1024 * 1024
_PURSE = 20_000
CHEAP, DEAR = 1, 20
_RESETS_KNOWN = 1024


@dataclass(slots=True)
class Shared:
    """What all connections have in common: `held` bytes of requests, of `most_held`."""

    find: Find
    message_bytes: int
    most_held: int
    held: int = 0


class Purse:
    """Raises `Broken` for a client that asks for much work and no answer."""

    def __init__(self) -> None:
        self.fill()

    def fill(self) -> None:
        self._left = _PURSE

    def pay(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise Broken(Trouble.ENHANCE_YOUR_CALM, "too many frames that ask for nothing")


class Streams:
    """Is the carrier of each of them."""

    def __init__(
        self, shared: Shared, write: Callable[[bytes], object], purse: Purse,
        done: Callable[[], None],
    ) -> None:  # fmt: skip
        self.write = write
        self._done = done
        self.message_bytes = shared.message_bytes
        self.window = self.first_window = frames.FIRST_WINDOW
        self.frame_bytes = frames.SMALLEST_FRAME
        self.is_paused = self.is_closed = False
        self.last = 0
        self.open: dict[int, Stream] = {}
        self._shared = shared
        self._purse = purse
        self._heads = Heads()
        self._credit = CONNECTION_WINDOW
        self._waiting: dict[int, Stream] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._reset: dict[int, None] = {}

    def hold(self, size: int) -> bool:
        """See `stream.Carrier`."""
        self._shared.held += size
        return self._shared.held <= self._shared.most_held

    def wait(self, stream: Stream) -> None:
        """See `stream.Carrier`."""
        self._waiting[stream.number] = stream

    def gone(self, stream: Stream, task: "asyncio.Task[None] | None") -> None:
        """See `stream.Carrier`. A task that is to end counts as a stream until it has ended, or
        whoever resets streams as fast as they open them could have any number of them."""
        self.open.pop(stream.number, None)
        self._waiting.pop(stream.number, None)
        if stream.is_reset:
            self._remember(stream.number)
        if task is not None and not task.done():
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        if self.is_closed and not self.open:
            self._done()

    def data(self, flags: int, number: int, payload: memoryview, now: float) -> None:
        """DATA, for which there is one window for all streams, and one for each."""
        size, data = len(payload), frames.unpadded(flags, payload)
        is_end = bool(flags & frames.END_STREAM)
        self._credit -= size
        if self._credit < 0:
            raise Broken(Trouble.FLOW_CONTROL_ERROR, "more than the connection's window")
        if self._credit < CONNECTION_WINDOW // 2:
            self.write(frames.window_update(0, CONNECTION_WINDOW - self._credit))
            self._credit = CONNECTION_WINDOW
        if not data and not is_end:
            self._purse.pay(DEAR)
        stream = self._known(number)
        if stream is not None:
            stream.receive(data, size, is_end=is_end, now=now)

    def headed(self, number: int, block: bytes, *, is_end: bool, now: float) -> None:
        """A header block: of a new stream, or the trailers of one that is open."""
        if number <= self.last:
            self._trailers(number, self._heads.fields(block), is_end=is_end)
            return
        head = self._heads.request(block)
        self.last = number
        if self.is_closed or len(self.open) + len(self._leaving) >= AT_ONCE:
            self._refuse(number, Trouble.REFUSED_STREAM)
        elif isinstance(head, Malformed):
            self._refuse(number, Trouble.PROTOCOL_ERROR)
        else:
            self._called(number, head, is_end=is_end, now=now)

    def _trailers(self, number: int, fields: list[tuple[bytes, bytes]], *, is_end: bool) -> None:
        stream = self._known(number)
        if stream is None:
            return
        if is_end and all(name[:1] != b":" and is_field(name, value) for name, value in fields):
            stream.finish()
        else:
            self._purse.pay(DEAR)
            stream.reset(Trouble.PROTOCOL_ERROR)

    def _called(self, number: int, head: Head, *, is_end: bool, now: float) -> None:
        match _called(self._shared.find, head):
            case Unary() | Streaming() as method:
                stream = Stream(self, number, head, method, now=now, window=self.first_window)
                self.open[number] = stream
                if is_end:
                    stream.finish()
                return
            case Ending() as ending:
                self.write(answers.ended(number, ending, is_begun=False))
            case None:
                self.write(answers.other_kind(number))
        if not is_end:
            self.write(frames.reset(number, Trouble.NO_ERROR))
            self._remember(number)

    def grown(self, number: int, by: int) -> None:
        """WINDOW_UPDATE."""
        self._purse.pay(CHEAP)
        stream = self.open.get(number)
        if number == 0:
            if not by:
                raise Broken(Trouble.PROTOCOL_ERROR, "a window is to grow by nothing")
            self.window += by
            if self.window > frames.LARGEST_WINDOW:
                raise Broken(Trouble.FLOW_CONTROL_ERROR, "a window grows too large")
            self.pump()
        elif stream is None:
            self._require_known(number)
        elif not by or stream.window + by > frames.LARGEST_WINDOW:
            self._purse.pay(DEAR)
            stream.reset(Trouble.FLOW_CONTROL_ERROR if by else Trouble.PROTOCOL_ERROR)
        else:
            stream.window += by
            if number in self._waiting:
                self._waiting.pop(number).pump()

    def resized(self, window: int) -> None:
        """What a stream's window is at first; those that are open change by as much."""
        by, self.first_window = window - self.first_window, window
        for stream in self.open.values():
            stream.window += by
            if stream.window > frames.LARGEST_WINDOW:
                raise Broken(Trouble.FLOW_CONTROL_ERROR, "a window grows too large")
        self.pump()

    def abandoned(self, number: int) -> None:
        """RST_STREAM: the client has left, or its deadline has passed."""
        self._require_known(number)
        self._purse.pay(DEAR)
        stream = self.open.get(number)
        if stream is not None:
            stream.abandon()

    def pump(self) -> None:
        """There may be room for what waits."""
        waiting, self._waiting = self._waiting, {}
        for stream in waiting.values():
            stream.pump()

    def close(self) -> None:
        """Take no more; `done` is called once none is left."""
        self.is_closed = True
        self.drain()
        if not self.open:
            self._done()

    def drain(self) -> None:
        """End the streams that might go on for ever, of which nothing is owed."""
        going = Ending(Code.UNAVAILABLE, "this server is going down")
        for stream in tuple(self.open.values()):
            if stream.is_idle:
                stream.end(going)

    def abandon(self) -> None:
        """The connection is lost."""
        for stream in tuple(self.open.values()):
            stream.abandon()

    def sweep(self, now: float, *, deadline: float) -> None:
        """End what is overdue."""
        for stream in tuple(self.open.values()):
            stream.require_progress(now, deadline=deadline)

    def _known(self, number: int) -> Stream | None:
        """The stream, None where it is over. Raises `Broken` for one that never was."""
        stream = self.open.get(number)
        if stream is None:
            self._require_known(number)
            if number in self._reset:
                self._purse.pay(CHEAP)  # it may have been on its way already
            else:
                self._purse.pay(DEAR)
                self.write(frames.reset(number, Trouble.STREAM_CLOSED))
        return stream

    def _require_known(self, number: int) -> None:
        if not number & 1 or number > self.last:
            raise Broken(Trouble.PROTOCOL_ERROR, f"there is no stream {number}")

    def _refuse(self, number: int, trouble: Trouble) -> None:
        self._purse.pay(DEAR)
        self.write(frames.reset(number, trouble))
        self._remember(number)

    def _remember(self, number: int) -> None:
        """That it was reset from here: the client may not know yet."""
        self._reset[number] = None
        if len(self._reset) > _RESETS_KNOWN:
            del self._reset[next(iter(self._reset))]


def _called(find: Find, head: Head) -> Unary | Streaming | Ending | None:
    """What answers; None where it is no call of gRPC at all."""
    if not head.is_grpc:
        return None
    if not head.has_good_timeout:
        return Ending(Code.INTERNAL, "grpc-timeout is not one")
    if head.coding not in messages.CODINGS:
        said = head.coding[:80].decode("latin-1")
        return Ending(Code.UNIMPLEMENTED, f"grpc-encoding '{said}' is not known here")
    method = find(head.path)
    if method is None:
        said = head.path[:200].decode("latin-1")
        return Ending(Code.UNIMPLEMENTED, f"there is no method {said}")
    return method
