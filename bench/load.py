"""Load: some clients on kept-alive connections, each asking as soon as it is answered.

The client is this process, and what is measured is another: they share no interpreter.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

import uvloop

from registry import errors

_STUCK_S = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to repeat."""

    port: int
    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    address: str = "127.0.0.1"

    @property
    def bytes(self) -> bytes:
        """The request as it goes over the wire."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join((*lines, "", "")).encode() + self.body

    def client(self, end: float) -> "_Client":
        """See `Question`."""
        return _Client(self.bytes, end)


class Client(Protocol):
    """One connection that asks until `end`; `done` once it has its last answer, or fails."""

    latencies: list[float]
    done: asyncio.Future[None]


class Question(Protocol):
    """What is asked again and again."""

    @property
    def port(self) -> int: ...

    @property
    def path(self) -> str: ...

    def client(self, end: float) -> "Client":
        """An `asyncio.Protocol`; made on the event loop."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it; latencies are seconds, in ascending order."""

    latencies: tuple[float, ...]
    seconds: float

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def median(self) -> float:
        return self.latencies[len(self.latencies) // 2]

    @property
    def p99(self) -> float:
        return self.latencies[len(self.latencies) * 99 // 100]


def ask(asked: Question, *, clients: int, seconds: float) -> Load:
    """`clients` connections for `seconds`; raises `Unavailable` for any answer but 200."""
    return ask_at_once([(asked, clients)], seconds=seconds)[0]


def ask_at_once(parts: Sequence[tuple[Question, int]], *, seconds: float) -> list[Load]:
    """Each with so many clients, side by side; otherwise as `ask`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asking(parts, seconds))


async def asking(parts: Sequence[tuple[Question, int]], seconds: float) -> list[Load]:
    """`ask_at_once`, on a loop that has other work too."""
    return list(await asyncio.gather(*(_ask(*part, seconds) for part in parts)))


async def _ask(asked: Question, clients: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    made = [asked.client(start + seconds) for _ in range(clients)]
    for client in made:
        await loop.create_connection(partial(_itself, client), "127.0.0.1", asked.port)
    try:
        async with asyncio.timeout(seconds + _STUCK_S):
            await asyncio.gather(*(client.done for client in made))
    except TimeoutError as error:
        raise errors.Unavailable(f"{asked.path}: an answer did not come") from error
    latencies = sorted(latency for client in made for latency in client.latencies)
    return Load(tuple(latencies), time.perf_counter() - start)


def _itself(client: Client) -> asyncio.Protocol:
    return cast(asyncio.Protocol, client)


class _Client(asyncio.Protocol):
    """One connection with one request in flight."""

    def __init__(self, request: bytes, end: float) -> None:
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._end = end
        self._reading = Reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are written to like asyncio's, but are none of its classes.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        status = self._reading.status(data)
        if not status:
            return
        now = time.perf_counter()
        self.latencies.append(now - self._sent)
        if status != 200:
            self._fail(f"answered {status}")
        elif now < self._end:
            self._send()
        else:
            self.done.set_result(None)
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._fail("closed the connection")

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def _fail(self, said: str) -> None:
        if not self.done.done():
            self.done.set_exception(errors.Unavailable(said))
            self._transport.close()


class Reading:
    """Answers on one connection, one after the other, each with its length in its head."""

    def __init__(self) -> None:
        self._received = b""
        self._size = 0

    def status(self, data: bytes) -> int:
        """The status of the answer that `data` completes, or 0."""
        self._received = self._received + data if self._received else data
        if not self._size:
            head, end, _ = self._received.partition(b"\r\n\r\n")
            if not end:
                return 0
            _, _, length = head.lower().partition(b"\r\ncontent-length:")
            self._size = len(head) + len(end) + int(length.split(b"\r\n", 1)[0])
        if len(self._received) < self._size:
            return 0
        status = int(self._received[9:12])
        self._received, self._size = b"", 0
        return status
