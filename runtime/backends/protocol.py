"""What serving asks of an engine: the calls a model offers, and one of them run on arrays.

Strings travel as object arrays of `bytes` and bfloat16 as arrays of `BFLOAT16`, whatever the
engine itself prefers. One conformance suite (tests/runtime/test_backends.py) is passed by every
backend.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput
from runtime.backends.bfloat16 import BFLOAT16

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]

DEFAULT_CALL = "serving_default"
NUMPY_TYPES: Mapping[str, npt.DTypeLike] = {
    "bool": np.bool_,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "float16": np.float16,
    "bfloat16": BFLOAT16,
    "float32": np.float32,
    "float64": np.float64,
    "string": np.object_,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One way to call a model. `inputs` and `outputs` are the engine's names, in order.

    `batches` says that the first axis of every input and output is free and may be a common one,
    so that requests can be stacked on it. Whether its rows are independent no file says: that is
    for whoever turns batching on.
    """

    signature: Signature
    method: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    batches: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """How a version is opened. `threads` for one run, None for as many as there are cores.

    `isolation`: "none"; "process", in a process of its own; "trial", in one first that is ended
    when it has loaded and warmed up, so that a file that crashes its engine does so there.
    `weights`: "copied", and packed for the engine; or "mapped" from their files, where those are
    apart from the model's own.
    `memory_bytes` is what a process of its own may take, 0 for no limit but the system's.
    `seconds` is how long a process of its own may take for one answer before it is ended.
    """

    threads: int | None = None
    isolation: str = "none"
    seconds: float = 30.0
    weights: str = "copied"
    memory_bytes: int = 0


DEFAULT_SETTINGS = Settings()


class Offered(Protocol):
    """What a loaded version offers, however it is run.

    `trouble` says why it cannot answer at present, and is empty while it can.
    """

    @property
    def calls(self) -> Mapping[str, Call]:
        """By name."""

    @property
    def trouble(self) -> str:
        """See above."""

    def close(self) -> None:
        """Give the memory back; nothing is run afterwards."""


class Backend(Offered, Protocol):
    """One loaded version. `run` is safe from several threads at once."""

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """The outputs for `inputs`, which fit the call; raises `InvalidInput` for bad values."""


def objects(items: Iterable[object], shape: tuple[int, ...]) -> Array:
    """An object array of exactly `items`; assigning a list would cut NUL bytes off their ends."""
    found = np.empty(math.prod(shape), dtype=object)
    for position, item in enumerate(items):
        found[position] = item
    return found.reshape(shape)


def require_fit(signature: Signature, inputs: Arrays) -> None:
    """Raise `InvalidInput` unless the inputs have the shapes that the model declares."""
    for tensor in signature.inputs:
        shape = inputs[tensor.name].shape
        if tensor.shape is None:
            continue
        fits = len(shape) == len(tensor.shape) and all(
            wanted is None or wanted == found
            for wanted, found in zip(tensor.shape, shape, strict=True)
        )
        if not fits:
            raise InvalidInput(
                f"input {tensor.name!r} has the shape {_printed(shape)}, "
                f"the model wants {_printed(tensor.shape)}"
            )


def has_free_rows(signature: Signature) -> bool:
    """Whether the first axis of every input and output is there and free."""
    tensors = (*signature.inputs, *signature.outputs)
    return bool(tensors) and all(tensor.shape and tensor.shape[0] is None for tensor in tensors)


def zeros(signature: Signature) -> dict[str, Array]:
    """One smallest input that fits: free dimensions are 1, numbers 0, strings empty."""
    return {tensor.name: _zero(tensor) for tensor in signature.inputs}


def as_stated(signature: Signature, outputs: Arrays) -> dict[str, Array]:
    """`outputs` in the signature's order; raises `InvalidInput` where names or types differ."""
    found = {tensor.name: outputs[tensor.name] for tensor in signature.outputs
             if tensor.name in outputs
             and outputs[tensor.name].dtype == NUMPY_TYPES[tensor.dtype]}  # fmt: skip
    if len(found) != len(signature.outputs) or len(found) != len(outputs):
        raise InvalidInput("the model's outputs are not those of its signature")
    return found


def _zero(tensor: Tensor) -> Array:
    shape = [1 if size is None else size for size in tensor.shape or ()]
    if tensor.dtype == "string":
        return np.full(shape, b"", dtype=object)
    return np.zeros(shape, dtype=NUMPY_TYPES[tensor.dtype])


def _printed(shape: tuple[int | None, ...]) -> str:
    return "[" + ",".join("-1" if size is None else str(size) for size in shape) + "]"
