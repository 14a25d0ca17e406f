"""One connection: requests are answered in their order, one at a time, by the application.

Most answers need nothing that has to be waited for. So the application's coroutine is stepped
here by hand and at once, which costs no task and no turn of the event loop. A client that goes
away ends what is done for it. Time is not watched by a timer for each request: the server asks
every connection once a second whether it is overdue.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Protocol, cast

from registry import errors
from runtime import refusals
from runtime.limits import Limits
from runtime.protocols.http import Answer, Request
from runtime.room import Room
from runtime.wire import written
from runtime.wire.opened import Opened
from runtime.wire.reading import Fault, Reader

_LINGERING_SECONDS = 1.0
_OK = 200


class Application(Protocol):
    """What answers."""

    def answer(self, request: Request) -> Coroutine[Any, None, Answer]:
        """The answer to `request`; never raises. It runs in no task until it has awaited
        `asyncio.sleep(0)`, which is how it asks for one."""

    def refusal(self, path: str, error: errors.PlimsollError) -> Answer:
        """The answer to what is no whole request, in the words of the dialect at `path`."""


class Connections(Opened["Connection"]):
    """All that are open, and the room that their requests share."""

    def __init__(self, application: Application, limits: Limits) -> None:
        super().__init__()
        self.application = application
        self.limits = limits
        self.room = Room(limits.room)

    def made(self) -> "Connection":
        """A protocol for the event loop's server."""
        return Connection(self)


class Connection(asyncio.Protocol):
    """One of them."""

    __slots__ = (
        "_all", "_answering", "_is_deaf", "_is_ending", "_is_paused", "_loop", "_reader",
        "_request", "_since", "_transport", "_waited", "_waiting",
    )  # fmt: skip

    def __init__(self, connections: Connections) -> None:
        self._all = connections
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(body_limit=connections.limits.body_bytes, room=connections.room)
        self._waiting: deque[Request | Fault] = deque()
        self._request: Request | None = None
        self._answering: Coroutine[Any, None, Answer]
        self._waited: asyncio.Future[Any] | None = None
        self._is_deaf = False
        self._is_ending = False
        self._is_paused = False
        self._since = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Too many are turned away with an answer: a reset would tell a client nothing."""
        # uvloop's transports are written to like asyncio's, but are none of its classes.
        self._transport = cast(asyncio.Transport, transport)
        self._all.open.add(self)
        if len(self._all.open) > self._all.limits.connections:
            self._refuse("", errors.Busy("too many connections are open", fix="try again soon"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for an answer any more."""
        del exc
        self._all.lost(self)
        self._reader.closed()
        self._waiting.clear()
        self._is_ending = True
        if self._waited is not None:
            self._waited.cancel()

    def data_received(self, data: bytes) -> None:
        """Read on; what is complete is answered in turn."""
        reader = self._reader
        if self._is_ending or self._is_deaf:
            return  # what comes after the last request is nobody's
        if not reader.is_amid:
            self._since = self._loop.time()
        fault = reader.feed(data)
        if reader.requests:
            self._waiting.extend(reader.requests)
            reader.requests.clear()
        self._is_deaf = fault is not None or reader.is_last
        if fault is not None and not reader.is_last:
            self._waiting.append(fault)
        self._next()
        if reader.continues:
            self._go_on()
        if self._waiting:
            # One answer is owed: until then no more than what has come already is kept.
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """The client reads slower than it is answered."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._is_paused = False
        self._since = self._loop.time()
        self._next()

    def require_progress(self, now: float) -> None:
        """End the connection where its client has been too slow; `now` is the loop's time."""
        waited = now - self._since
        limits = self._all.limits
        if self._is_ending or self._is_paused:
            # Whoever does not read their answer keeps it in our memory.
            if waited > limits.deadline_seconds:
                self._transport.abort()
        elif self._request is not None or self._waiting:
            return
        elif self._reader.is_amid:
            if waited > limits.deadline_seconds:
                late = f"the request was not complete after {limits.deadline_seconds} seconds"
                self._refuse("", refusals.SlowRequest(late))
        elif waited > limits.keep_alive_seconds:
            self._close()

    def abort(self) -> None:
        """Close it at once, whatever is owed."""
        self._transport.abort()

    def drain(self) -> None:
        """Close, unless an answer is owed or a request is on its way."""
        if self._request is None and not self._waiting and not self._reader.is_amid:
            self._close()
        elif self._is_ending:
            self._transport.abort()

    def _next(self) -> None:
        if self._request is not None or self._is_paused or self._is_ending or not self._waiting:
            return
        found = self._waiting.popleft()
        if not self._waiting and not self._transport.is_reading():
            self._transport.resume_reading()
        match found:
            case Request() as request:
                self._request = request
                self._answering = self._all.application.answer(request)
                self._step()
            case Fault(path, error):
                self._refuse(path, error)

    def _step(self, _: object = None) -> None:
        """Let the application go on until it is done or has to wait, as a task would."""
        try:
            waited: Any = self._answering.send(None)
        except StopIteration as ended:
            self._answered(ended.value)
        except asyncio.CancelledError:
            self._request = self._waited = None
        else:
            if waited is None:
                self._waited = self._loop.create_task(self._answering)
                self._waited.add_done_callback(self._ended)
            else:
                # With this a task would tell the future that it was not awaited in vain.
                waited._asyncio_future_blocking = False  # noqa: SLF001
                self._waited = waited
                waited.add_done_callback(self._step)

    def _ended(self, task: asyncio.Future[Answer]) -> None:
        if task.cancelled():
            self._request = self._waited = None
        else:
            self._answered(task.result())

    def _answered(self, answer: Answer) -> None:
        is_head = self._request is not None and self._request.method == "HEAD"
        self._request = self._waited = None
        if self._is_ending:
            return
        self._reader.answered()
        last = not self._waiting and (
            self._reader.is_last
            or self._all.is_draining
            or (answer.status != _OK and _closes(answer))
        )
        self._write(answer, last=last, without_body=is_head)
        if last:
            self._close()
        elif self._waiting:
            # Whoever sends many requests at once does not keep others from theirs.
            self._loop.call_soon(self._next)
        elif self._reader.continues:
            self._go_on()

    def _go_on(self) -> None:
        """Tell a client that waits for it to send its body, once it is owed no answer before."""
        if self._request is None and not self._is_deaf:
            self._reader.continues = False
            self._transport.write(written.CONTINUE)

    def _write(self, answer: Answer, *, last: bool, without_body: bool = False) -> None:
        self._since = self._loop.time()
        for part in written.parts(answer, without_body=without_body, last=last):
            self._transport.write(part)

    def _refuse(self, path: str, error: errors.PlimsollError) -> None:
        """The last answer. For a while, what the client still sends is thrown away: to close on
        unread bytes would reset the connection under the answer."""
        self._write(self._all.application.refusal(path, error), last=True)
        self._is_ending = True
        self._loop.call_later(_LINGERING_SECONDS, self._transport.close)

    def _close(self) -> None:
        """What is written is still sent."""
        self._is_ending = True
        self._since = self._loop.time()
        self._transport.close()


def _closes(answer: Answer) -> bool:
    return (b"connection", b"close") in answer.headers
