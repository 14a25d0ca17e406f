"""Models whose engine's time is nearly all: over HTTP against the engine alone, in this process;
and what a small model's clients notice of a heavy one beside it."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import load, networks, questions, turns
from bench.figures import Bar, Row, ratio_at_most
from bench.load import Load
from bench.questions import Rows

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

_ENGINE, _ALONE = "onnxruntime in-process", "alone"
_ROUNDS, _SECONDS, _LONGER = 5, 1.5, 2.0


@dataclass(frozen=True, slots=True)
class Network:
    """One that is measured: how it is made, and what it is asked."""

    write: Callable[[Path], Path]
    given: Rows
    bar: Bar | None = None


NETWORKS: Mapping[str, Network] = {
    "transformer": Network(networks.transformer, questions.tokens(), ratio_at_most(1.05)),
    "sentences": Network(
        partial(networks.transformer, encoder=networks.SENTENCE_ENCODER),
        questions.tokens(networks.SENTENCE_ENCODER),
        ratio_at_most(1.05),
    ),
    "convolutional": Network(networks.convolutional, questions.image()),
}


def rows(port: int, made: Mapping[str, Path]) -> Iterator[Row]:
    """`port` is of a runtime that serves `NETWORKS` from these folders, and the perceptron as
    `net`."""
    for name, network in NETWORKS.items():
        yield _over_http(port, name, made[name], network)
    yield _beside(port)


def _over_http(port: int, name: str, model: Path, network: Network) -> Row:
    """The engine in this process is set up as it comes, spinning threads and all."""
    given = network.given
    asked = questions.as_binary(port, name, given)
    session = onnxruntime.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
    contenders = {
        turns.OURS: lambda: load.ask(asked, clients=1, seconds=_SECONDS),
        _ENGINE: lambda: _run(session, given),
    }
    turns.taken(contenders, rounds=1)
    found = turns.taken(contenders, rounds=_ROUNDS)
    return next(found.p50(f"{name}, binary, 1 client", {_ENGINE: network.bar}))


def _run(session: onnxruntime.InferenceSession, given: Rows) -> Load:
    start, taken = time.perf_counter(), list[float]()
    while (begun := time.perf_counter()) < start + _SECONDS:
        session.run(None, {networks.INPUT: given})
        taken.append(time.perf_counter() - begun)
    return Load(tuple(sorted(taken)), time.perf_counter() - start)


def _beside(port: int) -> Row:
    small = questions.as_binary(port, "net", questions.picture())
    busy = questions.as_binary(port, "transformer", questions.tokens())
    contenders = {
        turns.OURS: lambda: load.ask_at_once([(small, 1), (busy, 1)], seconds=_LONGER)[0],
        _ALONE: lambda: load.ask(small, clients=1, seconds=_LONGER),
    }
    found = turns.taken(contenders, rounds=_ROUNDS)
    what = "MLP, binary, 1 client beside a busy transformer"
    return next(found.p99(what, {_ALONE: ratio_at_most(2)}))
