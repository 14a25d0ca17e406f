"""The log as it grows, as server-sent events: each a CloudEvent, under its index as event id.

A client that comes back with the id it saw last goes on right behind it. Each stream reads the
database at its client's pace, a page at a time; a stream ends when the process stops, and in any
case after some minutes, so that a token that was revoked does not listen for ever.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from registry import errors
from registry.api.access import Opened, guarded
from registry.core import canonical, cloudevent, entries
from registry.core.interest import Interest
from registry.db.webhooks import Row
from registry.usecases import following
from registry.usecases.opening import Registry

router = guarded("events")

MOST = 200
_LIFE = 15 * 60.0
_RETRY_MS = 2000
# At the beginning, and after so many entries of no interest, the client hears how far it is.
_PASSED = 1000
_INDEX = re.compile(r"\d{1,18}")


@dataclass(frozen=True, slots=True)
class Asked:
    """Where to begin, None for what comes next, and what to tell of."""

    start: int | None
    interest: Interest


def asked(
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    after: Annotated[int | None, Query(ge=-1, lt=2**62)] = None,
    kind: Annotated[list[str] | None, Query(max_length=100)] = None,
    model: Annotated[str, Query(max_length=128)] = "",
    deployment: Annotated[str, Query(max_length=257)] = "",
) -> Asked:
    """Raises InvalidInput before anything is streamed."""
    kinds = tuple(entries.kind(one) for one in kind or ())
    interest = Interest(kinds, model, deployment)
    # A browser that comes back asks for the address it began with: its header is the newer.
    if last_event_id:
        if not _INDEX.fullmatch(last_event_id):
            raise errors.InvalidInput(
                f"Last-Event-ID {last_event_id[:40]!r} is not one of this log",
                fix="send the id of the last event that came, or leave the header out",
            )
        return Asked(int(last_event_id) + 1, interest)
    return Asked(None if after is None else after + 1, interest)


async def place(request: Request) -> AsyncIterator[None]:
    """One of the places for streams; raises Busy where all are taken."""
    streams = request.app.state.streams
    if len(streams) >= MOST:
        raise errors.Busy(f"{MOST} streams are open", fix="close some, or ask another replica")
    streams.add(request)
    try:
        yield
    finally:
        streams.discard(request)


@router.get(
    "/v1/events/stream",
    response_class=EventSourceResponse,
    summary="Follow the log as it grows",
    dependencies=[Depends(place)],
)
async def stream(
    request: Request, registry: Opened, wanted: Annotated[Asked, Depends(asked)]
) -> AsyncIterator[ServerSentEvent]:
    """`after` or the header Last-Event-ID is the last index that is known; -1 asks for all."""
    loop, news, state = asyncio.get_running_loop(), asyncio.Event(), request.app.state

    def tell() -> None:
        loop.call_soon_threadsafe(news.set)

    with state.watch.listening(tell), state.stopping.listening(tell):
        yield ServerSentEvent(comment="following", retry=_RETRY_MS)
        deadline, start = loop.time() + _LIFE, wanted.start
        told: int | None = None
        while not state.stopping.has_begun() and loop.time() < deadline:
            news.clear()
            try:
                async with state.readers:
                    found = await run_in_threadpool(
                        following.page, registry, start, wanted.interest
                    )
            except errors.Unavailable:
                return  # the client comes back, and by then the database may too
            for row in found.rows:
                yield _event(registry, row)
                told = row.index
            start = found.stop
            if told is None or start - told > _PASSED:
                told = start
                yield ServerSentEvent(comment="passed", id=str(start - 1))
            if found.is_end:
                await _wait(news, deadline - loop.time())


async def _wait(news: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(news.wait(), max(seconds, 0))
    except TimeoutError:
        return


def _event(registry: Registry, row: Row) -> ServerSentEvent:
    event = cloudevent.of_entry(row.index, row.leaf, origin=registry.settings.origin)
    return ServerSentEvent(raw_data=canonical.encode(event).decode(), id=str(row.index))
