"""The weights of a model as arrays, read from its bytes by what a sandboxed parser found in them.

The parser says only where numbers lie, and that is checked; the numbers are read here, a tensor at
a time, as plain arrays. bfloat16 comes as float32, integers as the weights that they stand for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from registry import errors
from registry.core import canonical, fields, names
from registry.core.canonical import Json
from registry.core.watermark.scheme import Tensor
from registry.formats import quantised
from registry.formats.quantised import Read, Stored
from registry.formats.weights import WIDTHS, Run, WeightMap, weight_map

_WHAT = "weights of a suspect"


@dataclass(frozen=True, slots=True)
class Weight:
    """A tensor of two dimensions or more; `load` reads it, in its shape."""

    tensor: Tensor
    load: Callable[[], NDArray[np.generic]]
    is_quantised: bool = False

    @property
    def size(self) -> int:
        """How many numbers."""
        return prod(self.tensor.shape)


@dataclass(frozen=True, slots=True)
class Weights:
    """All of a model's, by name."""

    format: str
    found: Mapping[str, Weight]

    @property
    def size(self) -> int:
        return sum(one.size for one in self.found.values())

    @property
    def tensors(self) -> list[Tensor]:
        return [one.tensor for one in self.found.values()]

    @property
    def quantised(self) -> int:
        """How many of the numbers are kept as integers."""
        return sum(one.size for one in self.found.values() if one.is_quantised)


def weights(
    format: str,  # noqa: A002
    document: dict[str, Json],
    sizes: Mapping[str, int],
    read: Read,
) -> Weights:
    """What a parser said of a suspect.

    Raises UnsafeModel where that cannot be so, InvalidInput where there are no weights.
    """
    try:
        if "weights" in document:
            said = fields.mapping(document, "weights", what=_WHAT)
            found = of_map(weight_map(said, sizes), read)
        else:
            found = of_answer(document, sizes, read)
    except errors.InvalidInput as error:
        raise errors.UnsafeModel(
            f"the suspect's weights cannot be read: {error.detail}", fix=error.fix
        ) from error
    if not found:
        raise errors.InvalidInput(
            "the suspect has no weights that could carry a mark: no tensor of floats, or of "
            "integers with their scale, has two dimensions or more",
            fix="name the file that holds the weights, in one of the formats of docs/formats.md",
        )
    return Weights(format, found)


def map_of(stored: bytes, sizes: Mapping[str, int]) -> WeightMap:
    """A weight map as it was kept."""
    return weight_map(canonical.decode_object(stored, what="stored weight map"), sizes)


def of_map(found: WeightMap, read: Read) -> dict[str, Weight]:
    """What a weight map points at."""
    parts: dict[str, list[tuple[str, Run]]] = {}
    for path, runs in found.runs.items():
        for run in runs:
            parts.setdefault(run.tensor.name, []).append((path, run))
    return {
        name: Weight(runs[0][1].tensor, partial(_joined, tuple(runs), read))
        for name, runs in parts.items()
    }


def of_answer(document: dict[str, Json], sizes: Mapping[str, int], read: Read) -> dict[str, Weight]:
    """What the parser said of an ONNX suspect; raises InvalidInput where it cannot be so."""
    floats = [_float(row, sizes) for row in fields.sequence(document, "floats", what=_WHAT)]
    found = {
        name: Weight(Tensor(name, stored.dtype, stored.shape), partial(_plain, stored, read))
        for name, stored in floats
    }
    for one in quantised.of_answer(document, sizes):
        tensor = Tensor(one.name, "float32", one.shape)
        found[one.name] = Weight(tensor, partial(one.values, read), is_quantised=True)
    return found


def _joined(runs: Sequence[tuple[str, Run]], read: Read) -> NDArray[np.generic]:
    """The parts of one tensor, each at its place."""
    tensor = runs[0][1].tensor
    pieces = [
        quantised.numbers(Stored(path, run.offset, tensor.dtype, (run.count,)), read)
        for path, run in sorted(runs, key=lambda one: one[1].start)
    ]
    whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return whole.reshape(tensor.shape)


def _plain(stored: Stored, read: Read) -> NDArray[np.generic]:
    return quantised.numbers(stored, read)


def _float(row: Json, sizes: Mapping[str, int]) -> tuple[str, Stored]:
    match row:
        case [str(name), str(path), int(offset), str(dtype), list(shape)] if (
            name and dtype in WIDTHS and offset >= 0 and 2 <= len(shape) <= 32
        ):
            whole = tuple(n for n in shape if isinstance(n, int) and 0 < n < 1 << 40)
            stored = Stored(names.file_path(path), offset, dtype, whole)
            if len(whole) == len(shape) and stored.is_within(sizes):
                return name, stored
    raise errors.InvalidInput(f"{_WHAT}: a tensor is not described as it must be")
