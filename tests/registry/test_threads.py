"""Where requests wait for the database: so many at a time, in the context of who asked."""

import asyncio
import contextvars
import threading

import pytest
from anyio.to_thread import current_default_thread_limiter

from registry.api.threads import Threads

_WHO = contextvars.ContextVar("who", default="nobody")
_PATIENCE_S = 30.0


def test_it_gives_what_the_function_gives_in_the_context_of_who_asked() -> None:
    async def asking() -> tuple[tuple[str, int], set[str]]:
        threads = Threads()
        _WHO.set("alice")
        names: set[str] = set()

        def answer(more: int) -> tuple[str, int]:
            names.add(threading.current_thread().name)
            return _WHO.get(), 40 + more

        try:
            for _ in range(3):
                given = await threads.run(answer, {"more": 2})
            return given, names
        finally:
            threads.close()

    assert asyncio.run(asking()) == (("alice", 42), {"worker"})


@pytest.mark.parametrize(
    ("raised", "seen"), [(KeyError("x"), KeyError), (StopIteration(), RuntimeError)]
)
def test_it_raises_what_the_function_raises_and_goes_on(
    raised: Exception, seen: type[Exception]
) -> None:
    def fail() -> None:
        raise raised

    async def asking() -> str:
        threads = Threads()
        with pytest.raises(seen):
            await threads.run(fail, {})
        given = await threads.run(lambda: "still here", {})
        threads.close()
        return given

    assert asyncio.run(asking()) == "still here"


def test_no_more_are_at_work_than_there_are_tokens_for_all_threads() -> None:
    at_work, most, lock = 0, 0, threading.Lock()
    met = threading.Event()

    def work() -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
            if at_work == 2:
                met.set()
        met.wait(_PATIENCE_S)
        with lock:
            at_work -= 1

    async def asking() -> None:
        current_default_thread_limiter().total_tokens = 2
        threads = Threads()
        await asyncio.gather(*(threads.run(work, {}) for _ in range(6)))
        threads.close()
        assert current_default_thread_limiter().borrowed_tokens == 0

    asyncio.run(asking())
    assert most == 2


def test_whoever_stops_waiting_leaves_the_token_to_the_work_until_it_has_ended() -> None:
    began, may_end = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        may_end.wait(_PATIENCE_S)

    async def asking() -> None:
        threads, tokens = Threads(), current_default_thread_limiter()
        waiting = asyncio.create_task(threads.run(work, {}))
        await asyncio.to_thread(began.wait, _PATIENCE_S)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert tokens.borrowed_tokens == 1
        may_end.set()
        async with asyncio.timeout(_PATIENCE_S):
            while tokens.borrowed_tokens:  # noqa: ASYNC110  nobody tells of it
                await asyncio.sleep(0.01)
        threads.close()

    asyncio.run(asking())


def test_closed_threads_end() -> None:
    mine: list[threading.Thread] = []

    async def asking() -> None:
        threads = Threads()
        await threads.run(lambda: mine.append(threading.current_thread()), {})
        threads.close()

    asyncio.run(asking())
    mine[0].join(_PATIENCE_S)
    assert not mine[0].is_alive()
