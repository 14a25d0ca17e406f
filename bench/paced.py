"""Requests at a steady rate, whatever the answers do; a refusal is counted, not raised."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.load import Asked, Reading

_CONNECTIONS = 8
_LONGEST_S = 10.0


@dataclass(frozen=True, slots=True)
class Answered:
    """When a request was due, how long its answer took from then on, and whether it was a 200."""

    due: float
    seconds: float
    is_good: bool


async def ask(asked: Asked, *, rate: float, work: Callable[[], Awaitable[None]]) -> list[Answered]:
    """`rate` requests a second while `work` is done."""
    found: list[Answered] = []
    interval = _CONNECTIONS / rate
    begin = time.perf_counter()
    clients = [
        asyncio.ensure_future(_client(asked, begin + n / rate, interval, found))
        for n in range(_CONNECTIONS)
    ]
    await work()
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return found


async def _client(asked: Asked, due: float, interval: float, found: list[Answered]) -> None:
    """One that is late with a request counts the wait, too: it was due at its time."""
    request, reader, writer = asked.bytes, None, None
    while True:
        # A timer's own lateness is the client's, not the server's.
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
            due = max(due, time.perf_counter())
        try:
            if writer is None or reader is None:
                reader, writer = await asyncio.open_connection(asked.address, asked.port)
            writer.write(request)
            async with asyncio.timeout(_LONGEST_S):
                status = await _status(reader)
        except (OSError, TimeoutError):
            status, writer = 0, None
        found.append(Answered(due, time.perf_counter() - due, status == 200))
        due += interval


async def _status(reader: asyncio.StreamReader) -> int:
    reading = Reading()
    while True:
        data = await reader.read(64 * 1024)
        if not data:
            raise ConnectionResetError
        if status := reading.status(data):
            return status
