"""What is one feature of a model's inputs, and how it is called: numbers for themselves, pixels of
a picture joined to cells, at most sixteen on a side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from registry.core.explaining import features
from registry.core.explaining.features import Layout
from registry.core.explaining.terms import Array
from registry.errors import InvalidInput

_MOST_ON_A_SIDE = 16
_CHANNELS = {1, 3, 4}
_LEAST = 4


@dataclass(frozen=True, slots=True)
class Grid:
    """A picture in the input `tensor`: `numbers` (elements of a row) says which cell each element
    is in, and `height` by `width` pixels are `rows` by `columns` cells."""

    tensor: str
    rows: int
    columns: int
    numbers: Array

    @property
    def count(self) -> int:
        """Cells."""
        return self.rows * self.columns

    def mean(self, pixels: Array) -> Array:
        """The mean of each cell, of (rows, ...) pixels: (rows, cells)."""
        flat = np.asarray(pixels, np.float64).reshape(len(pixels), -1)
        found = np.zeros((len(flat), self.count))
        np.add.at(found.T, self.numbers, flat.T)
        return found / np.bincount(self.numbers, minlength=self.count)


@dataclass(frozen=True, slots=True)
class Arranged:
    """`names` has one for each feature of the layout. With a picture its cells come first."""

    layout: Layout
    names: tuple[str, ...]
    grid: Grid | None


def arranged(
    inputs: Mapping[str, Array], picture: tuple[int, int] | None, names: Sequence[str]
) -> Arranged:
    """Raises `InvalidInput` where no input is such a picture, or the names are not as many."""
    grid = _grid(inputs, picture)
    plain = features.each(inputs)
    mask, called = np.empty(plain.count, np.int64), []
    following = grid.count if grid else 0
    for name, numbers in plain.numbers.items():
        if grid is not None and name == grid.tensor:
            mask[numbers.reshape(-1)] = grid.numbers
            continue
        mask[numbers.reshape(-1)] = following + np.arange(numbers.size)
        following += numbers.size
        called += _elements(name, numbers.shape)
    if grid is not None:
        called = [
            f"{grid.tensor} row {row + 1}, column {column + 1}"
            for row in range(grid.rows)
            for column in range(grid.columns)
        ] + called
    if names and len(names) != len(called):
        raise InvalidInput(
            f"there are {len(names)} names for {len(called)} features",
            fix="name each feature, one a line, in the order of the model's inputs",
        )
    return Arranged(features.joined(inputs, mask), tuple(names or called), grid)


def _elements(name: str, shape: tuple[int, ...]) -> list[str]:
    if int(np.prod(shape, dtype=np.int64)) == 1:
        return [name]
    return [f"{name}[{', '.join(map(str, place))}]" for place in np.ndindex(*shape)]


def _grid(inputs: Mapping[str, Array], picture: tuple[int, int] | None) -> Grid | None:
    for name, array in inputs.items():
        if array.dtype.kind not in "fu":
            continue
        pixels = _said(array.shape[1:], picture) if picture else _seen(array.shape[1:])
        if pixels is not None:
            return _cells(name, pixels)
    if picture:
        raise InvalidInput(
            f"no input has pictures of {picture[0]} by {picture[1]} pixels",
            fix="say --picture HEIGHTxWIDTH as it is in the model's input",
        )
    return None


def _said(shape: tuple[int, ...], picture: tuple[int, int]) -> Array | None:
    """(2, elements): row and column of each element, where so many pixels lie in this shape."""
    height, width = picture
    size = int(np.prod(shape, dtype=np.int64))
    if size % (height * width) or size // (height * width) not in _CHANNELS:
        return None
    channels = size // (height * width)
    is_first = len(shape) == 3 and shape[0] == channels and shape[1:] == (height, width)
    whole = (channels, height, width) if is_first else (height, width, channels)
    places = np.indices(whole).reshape(3, -1)
    return np.asarray(places[1:] if is_first else places[:2])


def _seen(shape: tuple[int, ...]) -> Array | None:
    """Height, width and channels, or channels first: what nobody has to be told is a picture."""
    if len(shape) != 3:
        return None
    if shape[2] in _CHANNELS and min(shape[:2]) >= _LEAST:
        return _said(shape, (shape[0], shape[1]))
    if shape[0] in _CHANNELS and min(shape[1:]) >= _LEAST:
        return _said(shape, (shape[1], shape[2]))
    return None


def _cells(name: str, places: Array) -> Grid:
    sides, joined = [], []
    for pixels in places:
        each = -(-(int(pixels.max()) + 1) // _MOST_ON_A_SIDE)
        joined.append(pixels // each)
        sides.append(int(joined[-1].max()) + 1)
    return Grid(name, sides[0], sides[1], joined[0] * sides[1] + joined[1])
