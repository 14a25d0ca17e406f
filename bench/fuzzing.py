"""Ten minutes of hostile and good requests at one runtime: what it grows by, whom it fails.

Hostile ones are good ones with bytes changed, cut out, repeated or put in anywhere, head or body,
in pieces or broken off, over HTTP and gRPC; good ones ask all the while and must be answered.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import uvloop

from bench import addresses, memory, networks, publishing, questions, registries, runtimes
from bench.calls import Called
from bench.figures import Row, at_most, ratio_under
from bench.load import Asked, Reading
from runtime.wire.http2 import frames

_AREA = "fuzz"
_HOSTILE = 12
_GOOD = 2
_WARM_UP_S = 60.0
_LONGEST_WAIT_S = 5.0
_MOST_CHANGES = 5


def rows(folder: Path, *, seconds: float) -> Iterator[Row]:
    """For `seconds`, of which the first tenth, a minute at most, is to settle the memory."""
    made = networks.perceptron(folder / "perceptron")
    with registries.running(folder) as registry:
        digest = publishing.publish(registry, made, model="net", version=1, form="onnx")
        version = runtimes.Version("net", 1, digest, "onnx")
        grpc = addresses.free_port()
        with runtimes.running(registry, version, folder=folder / "fuzzed", grpc=grpc) as runtime:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                found = runner.run(_Fuzz(runtime, grpc).run(seconds))
            yield from found


class _Fuzz:
    """One run; the same seed throws the same bytes, whatever the answers do."""

    def __init__(self, runtime: runtimes.Running, grpc: int) -> None:
        self._process = runtime.process.pid
        picture = questions.picture()
        port = runtime.port
        self._good = (
            questions.as_rows(port, "net", picture),
            questions.as_json(port, "net", picture),
            questions.as_binary(port, "net", picture),
        )
        call = questions.as_call(grpc, "net", picture)
        self._seeds = [(port, asked.bytes) for asked in self._good]
        pages = ("/v2/models/net", "/metrics", "/v1/models/net")
        self._seeds += [(port, _get(path)) for path in pages]
        self._seeds.append((grpc, _opened(call)))
        self._thrown = self._answered = self._failed = 0

    async def run(self, seconds: float) -> list[Row]:
        end = time.monotonic() + seconds
        draws = (random.Random(seed) for seed in range(_HOSTILE))  # noqa: S311
        workers = [self._throw(one, end) for one in draws]
        workers += [self._ask(self._good[number % 3], end) for number in range(_GOOD)]
        working = asyncio.gather(*workers)
        await asyncio.sleep(min(_WARM_UP_S, seconds / 10))
        before = memory.resident([self._process])
        await working
        after = memory.resident([self._process])
        what = f"{seconds:.0f} s, {self._thrown} hostile requests"
        return [
            Row(
                _AREA,
                f"{what}: resident memory after",
                after / 1e6,
                "MB",
                f"{before / 1e6:.1f} MB once warm",
                ratio=after / before,
                bar=ratio_under(1.05),
            ),
            Row(
                _AREA,
                f"of {self._answered} good requests beside them: failed",
                self._failed,
                "requests",
                bar=at_most(0),
            ),
        ]

    async def _throw(self, draws: random.Random, end: float) -> None:
        while time.monotonic() < end:
            port, seed = draws.choice(self._seeds)
            # A server that hangs up is right to.
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_LONGEST_WAIT_S):
                    await _thrown(port, _changed(seed, draws), draws)
            self._thrown += 1

    async def _ask(self, asked: Asked, end: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", asked.port)
        while time.monotonic() < end:
            writer.write(asked.bytes)
            reading, status = Reading(), 0
            while not status:
                status = reading.status(await reader.read(65_536))
            self._answered += 1
            self._failed += status != 200
            await asyncio.sleep(0.002)
        writer.close()


async def _thrown(port: int, data: bytes, draws: random.Random) -> None:
    """At once or in two pieces; some do not wait for the answer, some hang up amid the request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    cut = draws.randrange(len(data) + 1)
    writer.write(data[:cut])
    if draws.random() < 0.9:
        await asyncio.sleep(0)
        writer.write(data[cut:])
    if draws.random() < 0.8:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await reader.read(65_536)
    writer.transport.abort()


def _changed(data: bytes, draws: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(draws.randrange(_MOST_CHANGES)):
        at = draws.randrange(len(found) + 1)
        size = draws.choice((1, 1, 2, 4, 16, 200))
        match draws.randrange(4):
            case 0:
                found[at : at + size] = draws.randbytes(size)
            case 1:
                del found[at : at + size]
            case 2:
                found[at:at] = found[at : at + size] * draws.choice((1, 1, 30))
            case _:
                found[at:at] = draws.choice(_WORDS)
    return bytes(found)


# What parsers have stumbled over.
_WORDS = (
    b"\r\n", b"\r\n\r\n", b"\0", b"\xff" * 8, b"[" * 500, b'{"a":' * 100, b"NaN", b"1e999",
    b"99999999999999999999", b"-1", b'"\\ud800"', b"Content-Length: 9\r\n", b"0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b'{"b64":"!"}', b"BYTES",
    b"Expect: 100-continue\r\n", b"%00", b"/../",
)  # fmt: skip


def _opened(called: Called) -> bytes:
    """A connection with one call on it."""
    head, _ = called.blocks()
    message = b"\0" + len(called.message).to_bytes(4) + called.message
    return (
        frames.PREFACE
        + frames.settings({})
        + frames.frame(frames.HEADERS, frames.END_HEADERS, 1, head)
        + frames.frame(frames.DATA, frames.END_STREAM, 1, message)
    )


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
