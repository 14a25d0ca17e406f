"""Listens for gRPC, watches the time of all connections, and goes down in order."""

import asyncio
from contextlib import suppress

from registry import errors
from runtime.limits import Limits
from runtime.protocols.grpc.calls import Find
from runtime.wire.http2.connection import Connections

_BACKLOG = 2048


class Server:
    """Made, started and stopped on the event loop."""

    def __init__(self, find: Find, limits: Limits) -> None:
        self.connections = Connections(find, limits)
        self._server: asyncio.Server | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self, address: tuple[str, int]) -> int:
        """The port; raises `InvalidConfig` for an address that is not to be had."""
        loop, (host, port) = asyncio.get_running_loop(), address
        try:
            self._server = await loop.create_server(
                self.connections.made, host, port, backlog=_BACKLOG
            )
        except OSError as error:
            raise errors.InvalidConfig(
                f"'grpcListen' is '{host}:{port}', which cannot be listened on: {error.strerror}",
                fix="name a free port",
            ) from error
        self._watch = loop.create_task(self.connections.watch())
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def stop(self, *, seconds: float) -> None:
        """No new requests; those in flight get `seconds` to finish."""
        if self._server is None or self._watch is None:
            return
        self._server.close()
        self.connections.drain()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.connections.drained.wait(), seconds)
        self.connections.abort()
        self._watch.cancel()
