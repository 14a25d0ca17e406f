"""Runs before the first request: what they take decides where the first requests run.

Zeros of one row, and of as many as a batch may have, so that the engine has allocated for both;
then whatever requests the version brings along. Runs on a loader's thread.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from registry.errors import InvalidInput, PlimsollError, UnsafeModel
from runtime.backends import protocol
from runtime.backends.protocol import Arrays, Backend, Call
from runtime.config import Pin
from runtime.inference import form
from runtime.inference.asked import Asked
from runtime.tuning import Tuning

_RUNS = 3
Measured = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request that a version brings along; `place` says where in its files it stands."""

    place: str
    asked: Asked


# The files of a version, its engine and its pin: how a dialect reads requests out of them.
ReadRecorded = Callable[[Path, Backend, Pin], Iterable[Recorded]]


def warmed_up(
    backend: Backend, tuning: Tuning, recorded: Iterable[Recorded]
) -> tuple[list[Measured], float | None]:
    """What `measured` and `replayed` return; the backend is closed where either raises."""
    try:
        return measured(backend, tuning), replayed(backend, recorded)
    except BaseException:
        backend.close()
        raise


def replayed(backend: Backend, requests: Iterable[Recorded]) -> float | None:
    """Seconds, None where there was none; raises `UnsafeModel` for the first that does not do."""
    started, count = time.perf_counter(), 0
    for one in requests:
        asked = one.asked
        try:
            protocol.require_fit(backend.calls[asked.call].signature, asked.inputs)
            form.chosen(backend.run(asked.call, asked.inputs), asked.outputs)
        except Exception as error:
            said = error.detail if isinstance(error, PlimsollError) else str(error)
            raise UnsafeModel(
                f"{one.place}: {said}", fix="publish the version with a right file, or without it"
            ) from error
        count += 1
    return time.perf_counter() - started if count else None


def measured(backend: Backend, tuning: Tuning) -> list[Measured]:
    """Call, bytes and nanoseconds of each run; raises `UnsafeModel` where a full batch fails."""
    return [
        (name, form.size(inputs), _took(backend, name, inputs))
        for name, call in backend.calls.items()
        for inputs in _inputs(call, tuning)
        if _works(backend, name, inputs)
        for _ in range(_RUNS)
    ]


def _inputs(call: Call, tuning: Tuning) -> Iterator[Arrays]:
    one = protocol.zeros(call.signature)
    yield one
    if tuning.batching is not None and call.batches:
        yield _full(one, tuning.batching.max_batch_size)


def _full(one: Arrays, rows: int) -> Arrays:
    try:
        return {name: np.repeat(array, rows, axis=0) for name, array in one.items()}
    except MemoryError as error:
        raise _too_large(error) from error


def _works(backend: Backend, call: str, inputs: Arrays) -> bool:
    """Made-up inputs may not suit a model; memory that is not there must not show later."""
    try:
        backend.run(call, inputs)
    except InvalidInput:
        return False
    except MemoryError as error:
        raise _too_large(error) from error
    except Exception:  # noqa: BLE001  what was made up is at fault, not the model
        return False
    return True


def _too_large(error: MemoryError) -> UnsafeModel:
    return UnsafeModel(
        f"a full batch does not fit into memory: {error}", fix="lower batching.maxBatchSize"
    )


def _took(backend: Backend, call: str, inputs: Arrays) -> int:
    started = time.perf_counter_ns()
    backend.run(call, inputs)
    return time.perf_counter_ns() - started
