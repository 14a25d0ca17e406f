"""Listens, watches the time of all connections, and goes down in order."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

from runtime.limits import Limits
from runtime.wire.connection import Application, Connections

_BACKLOG = 2048


async def serve(
    application: Application,
    address: tuple[str, int],
    limits: Limits,
    *,
    stopping: Callable[[signal.Signals], None],
) -> None:
    """Answer until SIGTERM or SIGINT; returns once every answer that was owed is given, or after
    the deadline of a request. `stopping` is told which signal it was, before anything ends."""
    loop = asyncio.get_running_loop()
    connections = Connections(application, limits)
    stopped = asyncio.Event()

    def stop(number: signal.Signals) -> None:
        if stopped.is_set():
            connections.drained.set()  # whoever asks twice does not want to wait
        stopping(number)
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    host, port = address
    server = await loop.create_server(connections.made, host, port, backlog=_BACKLOG)
    watch = loop.create_task(connections.watch())
    await stopped.wait()
    server.close()
    connections.drain()
    with suppress(TimeoutError):
        await asyncio.wait_for(connections.drained.wait(), limits.deadline_seconds)
    watch.cancel()
