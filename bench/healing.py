"""A container that somebody kills while clients ask: how long until its model answers again."""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

from bench import figures, hosts, load, models, paced, processes
from bench.figures import Row
from reconciler.engines import commands

_AREA = "rollouts"
_RATE = 200.0
_BEFORE_S = 1.0
_BACK_S = 60


def rows(
    host: hosts.Host, model: str, turns: Sequence[Callable[[], None]], answers: Callable[[], bool]
) -> Iterator[Row]:
    """Before each kill one of `turns` settles another version, so that no kill is paced.

    One instance serves the model on this host: while it is away nobody else can answer, and each
    request of that time fails.
    """
    found = []
    for turn in turns:
        turn()
        found.append(_kill(host, model, answers))
    times, failed = [took for took, _ in found], [lost for _, lost in found]
    yield Row(
        _AREA,
        f"container killed (docker kill) to its model answering again, p50 of {len(times)}",
        statistics.median(times),
        "s",
        f"slowest {max(times):.2f} s; of {_RATE:.0f} requests/s to this only instance "
        f"{statistics.median(failed):.0f} failed",
        bar=figures.under(2),
    )


def _kill(host: hosts.Host, model: str, answers: Callable[[], bool]) -> tuple[float, int]:
    body = json.dumps({"instances": [models.INPUT]}).encode()
    asked = load.Asked(host.port, f"/v1/models/{model}:predict", body)
    took: list[float] = []

    async def work() -> None:
        await asyncio.sleep(_BEFORE_S)
        took.append(await asyncio.to_thread(_until_back, host, answers))
        await asyncio.sleep(_BEFORE_S)

    found = asyncio.run(paced.ask(asked, rate=_RATE, work=work))
    return took[0], sum(not one.is_good for one in found)


def _until_back(host: hosts.Host, answers: Callable[[], bool]) -> float:
    labels = [*commands.owned_by(host.name), f"{commands.LABEL}.kind=runtime"]
    runtimes = host.api.containers(filters={"label": labels})
    start = time.perf_counter()
    for entry in runtimes:
        host.api.kill(entry["Id"])
        host.api.wait(entry["Id"], timeout=_BACK_S)  # newer engines answer before it is over
    processes.await_true(answers, "the model's answering again", timeout=_BACK_S)
    return time.perf_counter() - start
