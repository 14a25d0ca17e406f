"""A small model, where what a server costs is all there is: against the floor, Triton, MLServer
and KServe; and what dynamic batching gains."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import addresses, peers, processes, questions, turns
from bench.figures import Row, at_least, ratio_at_most, ratio_under
from bench.load import Asked
from bench.peers import kserve, mlserver, triton

FLOOR, TRITON, MLSERVER, KSERVE = "bare ASGI", "Triton", "MLServer", "KServe"
SINGLE, BATCHED = "net", "batched"
ROWS = 32  # a batch has at most, ours and Triton's
_SEVERAL, _MANY = 8, 32
_ROUNDS, _SECONDS = 5, 1.2
# Two medians of the same thing differ by as much on the machines measured.
_NO_SLOWER = 0.97


@dataclass(frozen=True, slots=True)
class Others:
    """The servers beside ours, all of them serving the perceptron as `net`."""

    floor: int
    triton: peers.Running
    batching: peers.Running
    mlserver: peers.Running
    kserve: peers.Running


@contextmanager
def others(model: Path, folder: Path, *, scratch: Path) -> Iterator[Others]:
    """`model` is the perceptron's ONNX file."""
    with ExitStack() as stack:
        yield Others(
            stack.enter_context(floor(model, folder / "floor.log")),
            stack.enter_context(triton.running(model, folder / "triton", scratch=scratch)),
            stack.enter_context(
                triton.running(model, folder / "batching", scratch=scratch, batching=ROWS)
            ),
            stack.enter_context(mlserver.running(model, folder / "mlserver", scratch=scratch)),
            stack.enter_context(kserve.running(model, folder / "kserve", scratch=scratch)),
        )


def rows(port: int, grpc: int, beside: Others) -> Iterator[Row]:
    """The ports are of a runtime that serves the perceptron as SINGLE, and batched as BATCHED."""
    picture = questions.picture()
    yield from _rows_of_tensorflow(port, beside)
    yield from small("JSON", _as_json(port, beside), {TRITON: 2.0, MLSERVER: 4.0, KSERVE: 6.0})
    tensors = {
        turns.OURS: questions.as_binary(port, SINGLE, picture),
        FLOOR: questions.as_binary(beside.floor, SINGLE, picture),
        TRITON: questions.as_binary(beside.triton.http, SINGLE, picture),
    }
    yield from small("binary", tensors, {TRITON: 2.5})
    yield from _calls(grpc, beside)
    yield from _batching(port, beside)


def _rows_of_tensorflow(port: int, beside: Others) -> Iterator[Row]:
    asked = {
        name: questions.as_rows(at, SINGLE, questions.picture())
        for name, at in ((turns.OURS, port), (FLOOR, beside.floor))
    }
    yield from small(":predict", asked, {})


def _as_json(port: int, beside: Others) -> Mapping[str, Asked]:
    ports = {
        turns.OURS: port,
        FLOOR: beside.floor,
        TRITON: beside.triton.http,
        MLSERVER: beside.mlserver.http,
        KSERVE: beside.kserve.http,
    }
    return {name: questions.as_json(at, SINGLE, questions.picture()) for name, at in ports.items()}


def small(kind: str, asked: Mapping[str, Asked], most: Mapping[str, float]) -> Iterator[Row]:
    """Against the floor, and against Triton and others where they are among those asked; `most` is
    how many times their answers ours must be. Grows with the model and, above a few clients, with
    their number: one event loop."""
    found = turns.under_load(asked, clients=1, rounds=_ROUNDS, seconds=_SECONDS)
    waits = {FLOOR: ratio_at_most(1.2)} | ({TRITON: ratio_under(1)} if TRITON in asked else {})
    yield from found.p50(f"MLP, {kind}, 1 client", waits)
    found = turns.under_load(asked, clients=_SEVERAL, rounds=_ROUNDS, seconds=_SECONDS)
    bars = {name: at_least(limit) for name, limit in ({FLOOR: 0.85} | dict(most)).items()}
    yield from found.answers(f"MLP, {kind}, {_SEVERAL} clients", bars)


def _calls(grpc: int, beside: Others) -> Iterator[Row]:
    """Over gRPC; TensorFlow Serving's dialect has no peer here, and stands beside the other's."""
    picture = questions.picture()
    predict = "ours, Predict"
    asked = {
        turns.OURS: questions.as_call(grpc, SINGLE, picture),
        TRITON: questions.as_call(beside.triton.grpc, SINGLE, picture),
        predict: questions.as_predict(grpc, SINGLE, picture),
    }
    found = turns.under_load(asked, clients=1, rounds=_ROUNDS, seconds=_SECONDS)
    yield from found.p50("MLP, gRPC, 1 client", {TRITON: ratio_under(1), predict: None})
    found = turns.under_load(asked, clients=_SEVERAL, rounds=_ROUNDS, seconds=_SECONDS)
    bars = {TRITON: at_least(1), predict: None}
    yield from found.answers(f"MLP, gRPC, {_SEVERAL} clients", bars)


def _batching(port: int, beside: Others) -> Iterator[Row]:
    single, picture = "ours, not batched", questions.picture()
    asked = {
        turns.OURS: questions.as_binary(port, BATCHED, picture),
        single: questions.as_binary(port, SINGLE, picture),
        "Triton, batched": questions.as_binary(beside.batching.http, SINGLE, picture),
    }
    found = turns.under_load(asked, clients=_MANY, rounds=_ROUNDS, seconds=_SECONDS)
    bars = {single: at_least(1.6), "Triton, batched": at_least(2)}
    yield from found.answers(f"MLP, binary, batched, {_MANY} clients", bars)
    del asked["Triton, batched"]
    found = turns.under_load(asked, clients=1, rounds=_ROUNDS, seconds=_SECONDS)
    yield from found.answers("MLP, binary, batched, 1 client", {single: at_least(_NO_SLOWER)})


@contextmanager
def floor(model: Path, log: Path) -> Iterator[int]:
    """The bare ASGI function at a port, for the perceptron's ONNX file."""
    port = addresses.free_port()
    command = [sys.executable, "-m", "bench.bare_asgi", str(port), str(model)]
    with processes.running(command, log=log) as process:
        processes.await_true(
            lambda: addresses.listens(port), "the floor listening", timeout=30, process=process
        )
        yield port
