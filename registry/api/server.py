"""Runs the application on one or several addresses, as a process or in a thread.

Stopping is graceful: /readyz says so first, streams end, for a while other requests are answered
as ever; then no new connection is taken, and requests in flight get some seconds to end.
"""

import asyncio
import gc
import math
import signal
import socket
import threading
import time
from collections.abc import Sequence
from types import FrameType

import uvicorn

from registry import errors, notify
from registry.api import tls
from registry.api.app import create_app
from registry.api.sendfile import SendfileProtocol
from registry.api.stopping import Stopping
from registry.settings import Settings


class _Uvicorn(uvicorn.Server):
    """Tells the application before anything is closed: open streams would hold up the end."""

    def __init__(self, config: uvicorn.Config, stopping: Stopping, drain_seconds: float) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._drain_seconds = drain_seconds
        self.is_listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()
        notify.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.begin()
        notify.stopping()
        await self._drain()
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        """A second Ctrl-C ends it, as it ends every other wait."""
        end = time.monotonic() + self._drain_seconds
        while not self.force_exit and (left := end - time.monotonic()) > 0:  # noqa: ASYNC110  a flag
            await asyncio.sleep(min(left, 0.1))


class Server:
    """One registry, listening. `start` returns once it answers; `run` does not return."""

    def __init__(self, settings: Settings, sockets: Sequence[socket.socket] = ()) -> None:
        self.sockets = list(sockets) or [bind(address) for address in settings.listen]
        self.app = create_app(settings)
        authority = self.app.state.registry.hosts_authority.pem
        secured = tls.context(settings.access, authority)
        scheme = "http" if secured is None else "https"
        # Where it listens, with the real port where port 0 was asked for.
        self.addresses = [_url(one, scheme) for one in self.sockets]
        proxies = [str(one) for one in settings.access.proxies]
        config = uvicorn.Config(
            self.app,
            http=SendfileProtocol,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # What a header says of the sender counts only from a proxy that was named.
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
            ssl_context_factory=None if secured is None else lambda *_: secured,
            timeout_graceful_shutdown=math.ceil(settings.running.grace_seconds),
        )
        drain = settings.running.drain_seconds
        self._server = _Uvicorn(config, self.app.state.stopping, drain)
        self._thread: threading.Thread | None = None
        self._broken: Exception | None = None

    def run(self) -> None:
        """Serve in the main thread until SIGINT or SIGTERM, then return: a stop is no error.

        Raises Unavailable where a part of the API cannot be loaded: then none is served for long.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            # Until uvicorn's own handler is there; it raises the signal again once it has stopped.
            signal.signal(number, self._asked_to_stop)
        warming = threading.Thread(target=self._warm, name="warming", daemon=True)
        warming.start()
        self._server.run(sockets=self.sockets)
        self._server.is_listening.set()
        warming.join()
        if self._broken is not None:
            raise errors.Unavailable(
                f"a part of the registry cannot be loaded: {self._broken}",
                fix="install it again, with all that it needs",
            ) from self._broken

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._server.should_exit = True

    def _warm(self) -> None:
        """Once it listens: load what the first requests would wait for, one part after another."""
        self._server.is_listening.wait()
        try:
            for part in self.app.parts:
                if self._server.should_exit:
                    return
                part.load()
        except Exception as error:  # noqa: BLE001  whatever it is, `run` tells it
            self._broken = error
            self._server.should_exit = True
        finally:
            # What is here by now stays: each full pass of the collector over it, one in some
            # twenty long answers, would hold up a request for 70 ms.
            gc.freeze()
            gc.enable()

    def start(self) -> None:
        """Serve in a thread; raises Unavailable where it does not come up."""
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": self.sockets},
            name="registry",
            daemon=True,
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise errors.Unavailable("the registry's server did not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """Let requests in flight end, then return."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()


def serve(settings: Settings, sockets: Sequence[socket.socket] = ()) -> None:
    """Run one registry in this process until it is told to stop."""
    Server(settings, sockets).run()


def bind(address: str) -> socket.socket:
    """A listening socket for `host:port` or `[v6]:port`; raises InvalidConfig."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise errors.InvalidConfig(
            f"listen address {address!r} is not of the form host:port", fix="such as 127.0.0.1:8080"
        )
    bare = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((bare, int(port)))
    except OSError as error:
        listener.close()
        raise errors.InvalidConfig(
            f"cannot listen on {address}: {error.strerror}", fix="choose a free address"
        ) from error
    listener.listen(1024)
    return listener


def _url(listener: socket.socket, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if listener.family == socket.AF_INET6 else host
    return f"{scheme}://{name}:{port}"
