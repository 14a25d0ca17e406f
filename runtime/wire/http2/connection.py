"""One client's connection: what it may take of time and of room before it is closed.

As over HTTP/1.1, time is not watched by timers: the server asks every connection once a second.
"""

import asyncio
import socket
from contextlib import suppress
from typing import cast

from runtime.limits import Limits
from runtime.protocols.grpc.calls import Find
from runtime.wire.http2.frames import Broken, Trouble
from runtime.wire.http2.session import Session
from runtime.wire.http2.streams import Shared
from runtime.wire.opened import Opened

_LINGERING_SECONDS = 1.0
_HEADER_ROOM = 64 * 1024  # a message is its tensors and a little more
_MESSAGES = 8  # that have so much more


class Connections(Opened["Connection"]):
    """All that are open, and what their streams share."""

    def __init__(self, find: Find, limits: Limits) -> None:
        super().__init__()
        message_bytes = limits.body_bytes + _HEADER_ROOM
        self.shared = Shared(find, message_bytes, limits.room + _MESSAGES * _HEADER_ROOM)
        self.limits = limits

    def made(self) -> "Connection":
        """A protocol for the event loop's server."""
        return Connection(self)


class Connection(asyncio.Protocol):
    """One of them."""

    __slots__ = ("_all", "_is_ending", "_loop", "_session", "_since", "_transport")

    def __init__(self, connections: Connections) -> None:
        self._all = connections
        self._loop = asyncio.get_running_loop()
        self._is_ending = False
        self._since = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are written to like asyncio's, but are none of its classes.
        self._transport = cast(asyncio.Transport, transport)
        self._session = Session(self._all.shared, self._transport.write, self._close)
        self._all.open.add(self)
        with suppress(OSError, AttributeError):
            # A client whose machine is gone: nothing else would end a stream that it keeps open.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._session.begin()
        if len(self._all.open) > self._all.limits.connections:
            self._broken(Broken(Trouble.ENHANCE_YOUR_CALM, "too many connections are open"))
        elif self._all.is_draining:
            self.drain()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for an answer any more."""
        del exc
        self._is_ending = True
        self._session.streams.abandon()
        self._all.lost(self)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._is_ending:
            return  # what comes after the last word is nobody's
        now = self._loop.time()
        if not self._session.is_amid:
            self._since = now
        try:
            self._session.feed(data, now=now)
        except Broken as error:
            self._broken(error)

    def pause_writing(self) -> None:
        """The client reads slower than it is answered, so it is read no further either."""
        self._session.streams.is_paused = True
        self._since = self._loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._session.streams.is_paused = False
        self._since = self._loop.time()
        if not self._is_ending:
            self._transport.resume_reading()
            self._session.streams.pump()

    def require_progress(self, now: float) -> None:
        """End what its client has been too slow for; `now` is the loop's time."""
        waited, limits, session = now - self._since, self._all.limits, self._session
        if self._is_ending or session.streams.is_paused:
            if waited > limits.deadline_seconds:
                self._transport.abort()
            return
        session.sweep(now, deadline=limits.deadline_seconds)
        if self._transport.is_closing():
            return
        if session.is_amid and waited > limits.deadline_seconds:
            self._broken(Broken(Trouble.SETTINGS_TIMEOUT, "the rest of a frame did not come"))
        elif not session.streams.open and waited > limits.keep_alive_seconds:
            session.drain()  # its client connects again when it next has something to ask

    def drain(self) -> None:
        """Take no more streams, and close once none is open."""
        if not self._is_ending:
            self._session.drain()

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    def _broken(self, error: Broken) -> None:
        """The last word. For a while, what the client still sends is thrown away: to close on
        unread bytes would reset the connection under it."""
        self._session.streams.abandon()
        self._session.broken(error)
        self._is_ending = True
        self._since = self._loop.time()
        self._loop.call_later(_LINGERING_SECONDS, self._transport.close)

    def _close(self) -> None:
        """What is written is still sent."""
        if not self._is_ending:
            self._is_ending = True
            self._since = self._loop.time()
            self._transport.close()
