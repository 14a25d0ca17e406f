"""A proxy before the Docker API that passes everything on and notes each request.

It stands between the reconciler and the engine, so what it has not seen was not asked.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from registry import errors

_HEAD_LIMIT = 1024 * 1024
_BLOCK = 64 * 1024
_STARTING_S = 10.0
_READS = frozenset({"GET", "HEAD"})


@dataclass
class Calls:
    """Every request so far: method and path, in the order of their arrival."""

    seen: list[tuple[str, str]] = field(default_factory=list)

    def writes(self, *, since: int = 0) -> list[tuple[str, str]]:
        """Those that may change something on the engine."""
        return [(method, path) for method, path in self.seen[since:] if method not in _READS]


@contextmanager
def proxy(listen: Path, engine: Path) -> Iterator[Calls]:
    """Serve the engine at the socket `engine` on the socket `listen` too."""
    calls = Calls()
    ready, stop = threading.Event(), asyncio.Event()
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        thread = threading.Thread(
            target=runner.run, args=(_serve(listen, engine, calls, ready=ready, stop=stop),)
        )
        thread.start()
        try:
            if not ready.wait(_STARTING_S):
                raise errors.Unavailable(f"the proxy at {listen} did not start")
            yield calls
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            listen.unlink(missing_ok=True)


async def _serve(
    listen: Path, engine: Path, calls: Calls, *, ready: threading.Event, stop: asyncio.Event
) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Connections end with the proxy; Python 3.11 would report each of them as a failure.
        with contextlib.suppress(asyncio.CancelledError):
            await _connection(reader, writer, engine=engine, calls=calls)

    async with await asyncio.start_unix_server(connected, listen, limit=_HEAD_LIMIT):
        ready.set()
        await stop.wait()


async def _connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, engine: Path, calls: Calls
) -> None:
    from_engine, to_engine = await asyncio.open_unix_connection(engine, limit=_HEAD_LIMIT)
    answers = asyncio.create_task(_copy(from_engine, writer))
    try:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await _request(reader, to_engine, calls)
        to_engine.close()
        await answers
    finally:
        to_engine.close()
        writer.close()


async def _request(
    reader: asyncio.StreamReader, engine: asyncio.StreamWriter, calls: Calls
) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    calls.seen.append((method, path))
    engine.write(head)
    fields = dict(_field(line) for line in head.split(b"\r\n")[1:] if line)
    if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        while size := await _chunk(reader, engine):
            engine.write(await reader.readexactly(size + 2))
    elif length := int(fields.get(b"content-length", b"0")):
        engine.write(await reader.readexactly(length))
    await engine.drain()


async def _chunk(reader: asyncio.StreamReader, engine: asyncio.StreamWriter) -> int:
    line = await reader.readuntil(b"\r\n")
    engine.write(line)
    size = int(line.split(b";")[0], 16)
    if size == 0:
        engine.write(await reader.readuntil(b"\r\n"))
    return size


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while block := await reader.read(_BLOCK):
            writer.write(block)
            await writer.drain()
    writer.close()
