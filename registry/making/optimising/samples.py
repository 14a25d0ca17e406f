"""Samples out of an npz file, as a model takes them. Pickles are refused."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from registry.errors import InvalidInput

Array: TypeAlias = NDArray[Any]
_UNPACKED_LIMIT = 16 << 30


@dataclass(frozen=True, slots=True)
class Samples:
    """`inputs[name][i]` is the i-th sample's; `labels` are classes from 0 on, or are not there."""

    inputs: Mapping[str, Array]
    labels: Array | None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def batches(self, size: int) -> Iterator[dict[str, Array]]:
        """One after the other; the last may be smaller."""
        for start in range(0, len(self), size):
            yield {name: rows[start : start + size] for name, rows in self.inputs.items()}


def read(path: Path, inputs: Sequence[tuple[str, str]], label: str | None) -> Samples:
    """The arrays of an npz file for `inputs` (name and NumPy's dtype); raises InvalidInput."""
    arrays = _arrays(path)
    missing = [name for name, _ in inputs if name not in arrays]
    if missing:
        raise InvalidInput(
            f"{path.name}: there is no array {missing[0]!r}, which the model has an input for",
            fix=f"save it with numpy.savez(..., {missing[0]}=...); there are {sorted(arrays)}",
        )
    found = {name: _as(arrays[name], dtype, name, path) for name, dtype in inputs}
    labels = None if label is None else _labels(arrays, label, path)
    lengths = {len(one) for one in [*found.values(), *([] if labels is None else [labels])]}
    if len(lengths) != 1 or not lengths.pop():
        raise InvalidInput(
            f"{path.name}: the arrays have no samples, or not as many of each",
            fix="the first dimension of every array is the samples",
        )
    return Samples(found, labels)


def _arrays(path: Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
        if unpacked > _UNPACKED_LIMIT:
            raise InvalidInput(f"{path.name}: unpacks to more than {_UNPACKED_LIMIT >> 30} GiB")
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInput(
            f"{path.name}: not an npz file that can be read: {str(error)[:200]}",
            fix="save it with numpy.savez, without objects",
        ) from error


def _as(found: Array, dtype: str, name: str, path: Path) -> Array:
    if found.ndim == 0 or found.dtype.kind not in "biuf" or not np.all(np.isfinite(found)):
        raise InvalidInput(
            f"{path.name}: array {name!r} ({found.dtype}) has values that are no finite numbers",
            fix="leave out samples with missing values",
        )
    return np.ascontiguousarray(found.astype(dtype, copy=False))


def _labels(arrays: Mapping[str, Array], label: str, path: Path) -> Array:
    if label not in arrays:
        raise InvalidInput(
            f"{path.name}: there is no array {label!r} of right answers",
            fix=f"name it with label:; there are {sorted(arrays)}",
        )
    found = arrays[label].reshape(-1)
    if found.dtype.kind not in "biu" or (found.size and found.min() < 0):
        raise InvalidInput(
            f"{path.name}: the right answers ({label}) are no classes",
            fix="write whole numbers from 0 on",
        )
    return found.astype(np.int64)
