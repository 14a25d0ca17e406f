"""Hot swaps under a steady load: load the next version, switch, unload the one before."""

import asyncio
import time
from collections.abc import Iterator, Sequence

import uvloop

from bench import paced, processes, questions, runtimes, wire
from bench.figures import Row, at_most, ratio_under
from bench.paced import Answered
from bench.runtimes import Version
from registry.core import fields

_AREA = "runtime"
_RATE = 500.0
_SWAPS = 6
_BEFORE_S = 5.0
_BETWEEN_S = 1.0
_LOADING_S = 30.0


def rows(runtime: runtimes.Running, first: Version, second: Version) -> Iterator[Row]:
    """`runtime` serves `first`; what is said of a swap is of all of them together.

    A swap begins with the order to load and ends when the version before it is gone: the pull,
    the verification, the warm-up and the new engine's first requests are in it.
    """
    asked = questions.as_binary(runtime.port, first.model, questions.picture())
    spans: list[tuple[float, float]] = []

    async def work() -> None:
        await asyncio.sleep(_BEFORE_S)
        for number in range(_SWAPS):
            pair = (first, second) if number % 2 == 0 else (second, first)
            begin = time.perf_counter()
            await asyncio.to_thread(_swap, runtime, *pair)
            spans.append((begin, time.perf_counter()))
            await asyncio.sleep(_BETWEEN_S)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answers = runner.run(paced.ask(asked, rate=_RATE, work=work))
    yield from _said(answers, spans)


def _said(answers: Sequence[Answered], spans: Sequence[tuple[float, float]]) -> Iterator[Row]:
    start = min(one.due for one in answers) + 1  # the first second opens connections
    before = [one for one in answers if start < one.due < spans[0][0]]
    during = [one for one in answers if any(begin <= one.due <= end for begin, end in spans)]
    what = f"MLP, binary, {_SWAPS} swaps under {_RATE:.0f} requests/s"
    failed = sum(not one.is_good for one in answers)
    yield Row(_AREA, f"{what}: failed of {len(answers)}", failed, "requests", bar=at_most(0))
    ours, theirs = _p99(during), _p99(before)
    yield Row(
        _AREA,
        f"{what}: p99 during ({len(during)} requests)",
        ours * 1e3,
        "ms",
        f"before: {theirs * 1e3:.3f} ms",
        ratio=ours / theirs,
        bar=ratio_under(2),
    )


def _p99(answers: Sequence[Answered]) -> float:
    taken = sorted(one.seconds for one in answers)
    return taken[len(taken) * 99 // 100]


def _swap(runtime: runtimes.Running, old: Version, new: Version) -> None:
    base = f"/plimsoll/models/{new.model}/versions"
    headers = {"Authorization": f"Bearer {runtimes.CONTROL}"}
    with wire.connected(f"http://127.0.0.1:{runtime.port}", headers) as link:
        link.call("PUT", f"{base}/{new.version}", new.order)
        processes.await_true(
            lambda: _state(link, new) == "AVAILABLE",
            f"version {new.version} loaded",
            timeout=_LOADING_S,
        )
        link.call("POST", f"{base}/{new.version}/activate", b"")
        link.call("DELETE", f"{base}/{old.version}")


def _state(link: wire.Link, version: Version) -> object:
    document = link.call("GET", "/plimsoll/status").document
    models = fields.objects(document, "models", what="status")
    return next(one["state"] for one in models if one["version"] == version.version)
