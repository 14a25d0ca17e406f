"""One call: its messages as they come, the task that answers it, and its answers as they may go.

A call that ends, by whomever, ends what is done for it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from registry import errors
from runtime.protocols.grpc import terms
from runtime.protocols.grpc.calls import Call, Code, Ending, Streaming, Unary
from runtime.wire.http2 import answers, frames, messages
from runtime.wire.http2.frames import Trouble
from runtime.wire.http2.heads import Head

WINDOW = 1024 * 1024  # of what a client may send before it is read
_WAITING = 4  # messages of a stream that are not asked for: then its window stays shut
_MESSAGE_COST = 128  # what one costs besides its bytes
_DONE = Ending(Code.OK)


class Carrier(Protocol):
    """The connection, as its streams see it."""

    window: int
    frame_bytes: int
    message_bytes: int
    is_paused: bool

    def write(self, data: bytes, /) -> object: ...
    def hold(self, size: int) -> bool:
        """Account for what is kept of the client's; False where it is too much."""

    def wait(self, stream: "Stream") -> None:
        """Have `pump` called once there may be room."""

    def gone(self, stream: "Stream", task: "asyncio.Task[None] | None") -> None:
        """It is over; a task that was cancelled may take its time."""


class Stream:
    """Between its first frame and its last."""

    __slots__ = (
        "_assembly", "_call", "_carrier", "_coding", "_credit", "_drained", "_end", "_held",
        "_is_begun", "_messages", "_method", "_out", "_task", "_waiter", "is_ended", "is_over",
        "is_reset", "number", "since", "window",
    )  # fmt: skip

    def __init__(
        self, carrier: Carrier, number: int, head: Head, method: Unary | Streaming, *,
        now: float, window: int,
    ) -> None:  # fmt: skip
        self._carrier = carrier
        self._method = method
        self._call = Call(head.fields, None if head.seconds is None else now + head.seconds)
        self._coding = head.coding
        self._assembly = messages.Assembly(limit=carrier.message_bytes)
        self._messages: deque[messages.Message] = deque()
        self._credit = WINDOW
        self._held = 0
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._out: deque[memoryview] = deque()
        self._end: Ending | None = None
        self._is_begun = False
        self.number = number
        self.since = now
        self.window = window
        self.is_ended = self.is_over = self.is_reset = False
        if isinstance(method, Streaming):
            self._task = asyncio.get_running_loop().create_task(self._streamed(method))

    @property
    def is_idle(self) -> bool:
        """A stream whose next message nobody knows of."""
        return self._waiter is not None and not self._messages and not self._assembly.held

    def receive(self, data: memoryview, size: int, *, is_end: bool, now: float) -> None:
        """DATA, which took `size` of the window."""
        self._credit -= size
        if self.is_ended:
            return self.reset(Trouble.STREAM_CLOSED)
        if self._credit < 0:
            return self.reset(Trouble.FLOW_CONTROL_ERROR)
        if not self._assembly.held:
            self.since = now
        try:
            found = self._assembly.feed(data)
        except errors.PlimsollError as error:
            return self.end(terms.ending(error))
        self.is_ended = is_end
        self._messages.extend(found)
        self._held += (kept := len(data) + len(found) * _MESSAGE_COST)
        if not self._carrier.hold(kept):
            full = "more is being sent at once than is kept here: try again soon"
            return self.end(Ending(Code.RESOURCE_EXHAUSTED, full))
        return self._go_on()

    def finish(self) -> None:
        """The client has said all, in trailers."""
        if self.is_ended:
            return self.reset(Trouble.STREAM_CLOSED)
        self.is_ended = True
        return self._go_on()

    def _go_on(self) -> None:
        if self.is_ended and self._assembly.held:
            return self.end(Ending(Code.INTERNAL, "a message is cut off"))
        if isinstance(self._method, Unary):
            return self._begin(self._method)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        return self._grant()

    def _begin(self, method: Unary) -> None:
        count = len(self._messages)
        if count > 1 or (self.is_ended and not count):
            self.end(Ending(Code.INTERNAL, "a call of this method has exactly one message"))
        elif self.is_ended:
            answering = self._answered(method, self._messages.popleft())
            self._task = asyncio.get_running_loop().create_task(answering)
        else:
            self._grant()

    def _grant(self) -> None:
        if self.is_ended or self._credit > WINDOW // 2 or len(self._messages) >= _WAITING:
            return
        self._carrier.write(frames.window_update(self.number, WINDOW - self._credit))
        self._credit = WINDOW

    async def _answered(self, method: Unary, message: messages.Message) -> None:
        try:
            data = await message.unpacked(self._coding, limit=self._carrier.message_bytes)
        except errors.PlimsollError as error:
            found: bytes | Ending = terms.ending(error)
        else:
            found = await method.answer(self._call, data)
        self._task = None
        if isinstance(found, Ending):
            self.end(found)
        else:
            self._send_whole(found)

    async def _streamed(self, method: Streaming) -> None:
        ending = _DONE
        async with aclosing(method.answer(self._call, self._requests())) as answering:
            async for found in answering:
                if isinstance(found, Ending):
                    ending = found
                    break
                self._out.append(memoryview(messages.framed(found)))
                self.pump()
                if self._out:
                    self._drained = asyncio.get_running_loop().create_future()
                    await self._drained
        self._task = None
        self.end(ending)

    async def _requests(self) -> AsyncGenerator[bytes, None]:
        while True:
            while not self._messages:
                if self.is_ended:
                    return
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
                self._waiter = None
            message = self._messages.popleft()
            cost = len(message.data) + messages.PREFIX_BYTES + _MESSAGE_COST
            self._held -= cost
            self._carrier.hold(-cost)
            self._grant()
            yield await message.unpacked(self._coding, limit=self._carrier.message_bytes)

    def _send_whole(self, data: bytes) -> None:
        carrier, size = self._carrier, len(data) + messages.PREFIX_BYTES
        if size <= min(carrier.window, self.window, carrier.frame_bytes) and not carrier.is_paused:
            carrier.window -= size
            carrier.write(answers.whole(self.number, data))
            self._over()
        else:
            self._out.append(memoryview(messages.framed(data)))
            self._end = _DONE
            self.pump()

    def pump(self) -> None:
        """Send what the windows let through; the end, where nothing is left before it."""
        carrier = self._carrier
        while self._out and not carrier.is_paused:
            piece = self._out[0]
            room = min(carrier.window, self.window, carrier.frame_bytes, len(piece))
            if room <= 0:
                break
            self._require_begun()
            carrier.write(frames.frame(frames.DATA, 0, self.number, bytes(piece[:room])))
            carrier.window -= room
            self.window -= room
            self._out[0] = piece[room:]
            if room == len(piece):
                self._out.popleft()
            self.since = asyncio.get_running_loop().time()
        if self._out:
            carrier.wait(self)
        elif self._end is not None:
            self.end(self._end)
        elif self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _require_begun(self) -> None:
        if not self._is_begun:
            self._is_begun = True
            self._carrier.write(answers.begun(self.number))

    def end(self, ending: Ending) -> None:
        """By its status; what was not sent before it is not sent any more."""
        if not self.is_over:
            self._carrier.write(answers.ended(self.number, ending, is_begun=self._is_begun))
            self._over()

    def reset(self, trouble: Trouble) -> None:
        """Without a status."""
        if not self.is_over:
            self._carrier.write(frames.reset(self.number, trouble))
            self.is_ended = self.is_reset = True
            self._over()

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        self.is_ended = True
        self._over()

    def _over(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        if not self.is_ended:
            # The answer is whole, and the client need not send what it still has.
            self.is_reset = True
            self._carrier.write(frames.reset(self.number, Trouble.NO_ERROR))
        self._carrier.hold(-self._held)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        self._out.clear()
        self._messages.clear()
        self._carrier.gone(self, task)

    def require_progress(self, now: float, *, deadline: float) -> None:
        """End it where its client is too slow or waits no more."""
        if self._call.ends is not None and now > self._call.ends:
            self.end(Ending(Code.DEADLINE_EXCEEDED, "the client's deadline has passed"))
        elif self._out and now - self.since > deadline:
            self.reset(Trouble.CANCEL)  # whoever does not read their answer keeps it in our memory
        elif (self._task is None or self._assembly.held) and now - self.since > deadline:
            late = f"the request was not complete after {deadline:g} seconds"
            self.end(Ending(Code.DEADLINE_EXCEEDED, late))
