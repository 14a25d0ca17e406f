"""Load over HTTP: some clients on kept-alive connections, each asking as soon as it is answered."""

import asyncio
import time
from dataclasses import dataclass

import uvloop

from registry import errors


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to repeat."""

    port: int
    path: str
    body: bytes

    @property
    def bytes(self) -> bytes:
        """The request as it goes over the wire."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


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


def ask(asked: Asked, *, clients: int, seconds: float) -> Load:
    """`clients` connections for `seconds`; raises `Unavailable` for any answer but 200."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_ask(asked, clients, seconds))


async def _ask(asked: Asked, clients: int, seconds: float) -> Load:
    start = time.perf_counter()
    tasks = [_client(asked, start + seconds) for _ in range(clients)]
    latencies = [latency for found in await asyncio.gather(*tasks) for latency in found]
    return Load(tuple(sorted(latencies)), time.perf_counter() - start)


async def _client(asked: Asked, end: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", asked.port)
    request, latencies = asked.bytes, []
    try:
        while (start := time.perf_counter()) < end:
            writer.write(request)
            await _answer(reader)
            latencies.append(time.perf_counter() - start)
    finally:
        writer.close()
    return latencies


async def _answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise errors.Unavailable(f"answered {head.splitlines()[0].decode(errors='replace')}")
    _, _, length = head.partition(b"content-length:")
    await reader.readexactly(int(length.split(b"\r\n", 1)[0]))
