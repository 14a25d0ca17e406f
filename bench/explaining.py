"""What a client who predicts notices of an explanation that is made beside it.

Rounds with and without one, in turns; the explanation is asked again as soon as it is answered.
"""

import asyncio
import contextlib
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop

from bench import load, networks, programs, publishing, questions, registries, runtimes
from bench.figures import Row, ratio_at_most
from bench.load import Asked, Load
from bench.runtimes import Version

_AREA = "explaining"
_CLIENTS, _ROUNDS, _SECONDS = 4, 7, 3.0
_MODELS = {"net": "onnx", "convolutional": "onnx", "gradients": "torchscript"}
_SAMPLES = 20_000


def rows(folder: Path) -> Iterator[Row]:
    """A small model, whose cost is the server, one of milliseconds a row, one that is derived."""
    made = {"net": networks.perceptron(folder / "net"),
            "convolutional": networks.convolutional(folder / "convolutional"),
            "gradients": programs.perceptron(folder / "gradients")}  # fmt: skip
    (folder / "registry").mkdir()
    with registries.running(folder / "registry") as registry:
        versions = [
            Version(name, 1, publishing.publish(registry, made[name], model=name, version=1,
                                                form=form), form)
            for name, form in _MODELS.items()
        ]  # fmt: skip
        with runtimes.running(registry, *versions, folder=folder / "runtime") as runtime:
            pictures = {"net": questions.picture(), "convolutional": questions.image(),
                        "gradients": questions.picture()}  # fmt: skip
            for name in _MODELS:
                given = {"instances": pictures[name].tolist()}
                predict = json.dumps(given).encode()
                asked = (
                    Asked(runtime.port, f"/v1/models/{name}:predict", predict)
                    if name == "gradients"
                    else questions.as_binary(runtime.port, name, pictures[name])
                )
                yield from _beside(name, asked, _question(runtime.port, name, pictures[name]))


def _beside(name: str, asked: Asked, explain: Asked) -> Iterator[Row]:
    load.ask(asked, clients=_CLIENTS, seconds=0.5)
    without: list[Load] = []
    beside: list[Load] = []
    samples: list[int] = []
    for _ in range(_ROUNDS):
        without.append(load.ask(asked, clients=_CLIENTS, seconds=_SECONDS))
        found, rows = _both(asked, explain)
        beside.append(found)
        samples.append(rows)
    ratio = statistics.median(
        one.p99 / other.p99 for one, other in zip(beside, without, strict=True)
    )
    alone = statistics.median(one.p99 for one in without) * 1e3
    with_one = statistics.median(one.p99 for one in beside) * 1e3
    what = f"{name}, {_CLIENTS} clients: predict p99 during an explanation"
    yield Row(_AREA, what, with_one, "ms", f"without: {alone:.3f} ms", ratio=ratio,
              bar=ratio_at_most(1.5))  # fmt: skip
    rate = statistics.median(samples) / _SECONDS
    yield Row(_AREA, f"{name}, {_CLIENTS} clients: rows explained meanwhile", rate, "1/s")


def _both(asked: Asked, explain: Asked) -> tuple[Load, int]:
    """The load, and how many rows explanations asked meanwhile."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_at_once(asked, explain))


async def _at_once(asked: Asked, explain: Asked) -> tuple[Load, int]:
    counted = [0]
    explaining = asyncio.ensure_future(_explaining(explain, counted))
    await asyncio.sleep(0.2)
    (found,) = await load.asking([(asked, _CLIENTS)], _SECONDS)
    explaining.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await explaining
    return found, counted[0]


async def _explaining(explain: Asked, counted: list[int]) -> None:
    while True:
        reader, writer = await asyncio.open_connection(explain.address, explain.port)
        try:
            writer.write(explain.bytes)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = json.loads(await reader.readexactly(length))
            counted[0] += sum(one["samples"] for one in body.get("explanations", ()))
        finally:
            writer.close()


def _question(port: int, model: str, rows: questions.Rows) -> Asked:
    if model == "gradients":
        return _explain(port, model, rows, {"method": "integrated_gradients"},
                        budget_ms=2500)  # fmt: skip
    mask = [number * 64 // rows.size for number in range(rows.size)]
    return _explain(port, model, rows, {"feature_mask": mask, "samples": _SAMPLES}, budget_ms=1000)


def _explain(
    port: int, model: str, rows: questions.Rows, parameters: dict[str, Any], *, budget_ms: int
) -> Asked:
    body = {"instances": rows.tolist(), "parameters": parameters | {"budget_ms": budget_ms}}
    return Asked(port, f"/v1/models/{model}:explain", json.dumps(body).encode())
