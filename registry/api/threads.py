"""Runs a function that waits in a thread, as Starlette does, with as little as it takes.

Starlette's way goes through the event loop twice before a thread is asked, by a queue written in
Python; a pool of the standard library takes as long. The threads here count among those that
Starlette has: one of its tokens is held for each call, so that there are never more at work than
connections to the database.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

from anyio import CapacityLimiter, WouldBlock
from anyio.to_thread import current_default_thread_limiter
from starlette.concurrency import run_in_threadpool

_Given = TypeVar("_Given")


@dataclass(slots=True, eq=False)
class _Call:
    """One call, whose token is held until it has ended, whoever still waits for it."""

    function: Callable[..., Any]
    values: dict[str, Any]
    context: Context
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Any]"


_Inbox: TypeAlias = "SimpleQueue[_Call | None]"


class Threads:
    """Those of one application, started as they are needed; the last that was busy is next."""

    def __init__(self) -> None:
        self._idle: list[_Inbox] = []
        self._tokens: CapacityLimiter | None = None

    async def run(self, function: Callable[..., _Given], values: dict[str, Any]) -> _Given:
        """What `function` gives or raises, in the context of the caller."""
        if self._tokens is None:
            # An application has one event loop, and that one limiter.
            self._tokens = current_default_thread_limiter()
        loop = asyncio.get_running_loop()
        call = _Call(function, values, copy_context(), loop, loop.create_future())
        try:
            self._tokens.acquire_on_behalf_of_nowait(call)
        except WouldBlock:
            return await run_in_threadpool(function, **values)
        (self._idle.pop() if self._idle else self._started()).put(call)
        answer: _Given = await call.answer
        return answer

    def close(self) -> None:
        """End those that are idle, which is all of them once no request is left."""
        while self._idle:
            self._idle.pop().put(None)

    def _started(self) -> _Inbox:
        inbox: _Inbox = SimpleQueue()
        threading.Thread(target=self._work, args=(inbox,), name="worker", daemon=True).start()
        return inbox

    def _work(self, inbox: _Inbox) -> None:
        while (call := inbox.get()) is not None:
            given, failure = None, None
            try:
                given = call.context.run(call.function, **call.values)
            except BaseException as error:  # noqa: BLE001  whatever it is, the caller gets it
                failure = error
            # A loop that was closed has nobody left who waits.
            with suppress(RuntimeError):
                call.loop.call_soon_threadsafe(self._end, inbox, call, given, failure)
            del call, given, failure

    def _end(
        self, inbox: _Inbox, call: _Call, given: object, failure: BaseException | None
    ) -> None:
        self._idle.append(inbox)
        assert self._tokens is not None  # noqa: S101  the call has one of them
        self._tokens.release_on_behalf_of(call)
        if call.answer.done():
            return
        if isinstance(failure, StopIteration):
            # It would end the coroutine that waits, as if it had given something.
            failure = RuntimeError("a route let StopIteration pass")
        if failure is None:
            call.answer.set_result(given)
        else:
            call.answer.set_exception(failure)
