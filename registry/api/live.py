"""Tells a browser that there is something new to see; what it is, the page itself says.

One stream serves all of a browser's tabs. It says so at most once a second, and ends when the
process stops, or after some minutes, so that a token that was revoked does not listen for ever.
"""

import asyncio
from collections.abc import AsyncIterator

from fastapi import Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from registry import errors
from registry.api.access import Opened, guarded
from registry.api.stream import place
from registry.usecases import fleet

router = guarded()

_LIFE = 15 * 60.0
_RETRY_MS = 2000
# Statuses are reported without an entry in the log: these are looked for.
_LOOK_EVERY = 2.0
_REST = 1.0


@router.get(
    "/live",
    response_class=EventSourceResponse,
    include_in_schema=False,
    dependencies=[Depends(place)],
)
async def live(request: Request, registry: Opened) -> AsyncIterator[ServerSentEvent]:
    """An event `changed` whenever the log has grown or a deployment's status was reported.

    Its data is the mark that pages carry which know of all that."""
    loop, news, state = asyncio.get_running_loop(), asyncio.Event(), request.app.state

    def tell() -> None:
        loop.call_soon_threadsafe(news.set)

    with state.watch.listening(tell), state.stopping.listening(tell):
        yield ServerSentEvent(comment="listening", retry=_RETRY_MS)
        deadline, told = loop.time() + _LIFE, ""
        while not state.stopping.has_begun() and loop.time() < deadline:
            news.clear()
            try:
                async with state.readers:
                    mark = await run_in_threadpool(fleet.mark, registry)
            except errors.Unavailable:
                return
            if mark != told:
                # At once, too: a page that was made before this stream began knows if it is old.
                yield ServerSentEvent(event="changed", raw_data=mark)
                told = mark
                await asyncio.sleep(_REST)
            await _until(news, _LOOK_EVERY)


async def _until(news: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(news.wait(), seconds)
    except TimeoutError:
        return
