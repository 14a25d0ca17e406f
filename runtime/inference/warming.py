"""Runs before the first request: what they take decides where the first requests run.

Zeros of one row, and of as many as a batch may have, so that the engine has allocated for both.
Runs on a loader's thread.
"""

import time
from collections.abc import Iterator

import numpy as np

from registry.errors import InvalidInput, UnsafeModel
from runtime.backends import protocol
from runtime.backends.protocol import Arrays, Backend, Call
from runtime.inference import form
from runtime.tuning import Tuning

_RUNS = 3
Measured = tuple[str, int, int]


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
