"""Weights kept as integers: where codes, scales and zero points lie, and what they stand for.

Found by a parser of untrusted files, and read back as strictly as a `WeightMap`: whatever a
document says, every range lies inside its file and is as long as its shape needs. Only detection
reads these; nothing is ever written into them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from registry import errors
from registry.core import fields
from registry.core.canonical import Json

# Bytes [start, stop) of the model's file at this path.
Read = Callable[[str, int, int], bytes]

MAX_TENSORS = 20_000
MAX_NAME = 1024
_RANK = 8
_LARGEST = 1 << 40
BITS: Mapping[str, int] = {
    "int4": 4, "uint4": 4, "int8": 8, "uint8": 8, "int32": 32, "float16": 16, "bfloat16": 16,
    "float32": 32, "float64": 64,
}  # fmt: skip
_PLAIN: Mapping[str, str] = {
    "int8": "i1", "uint8": "u1", "int32": "<i4", "float16": "<f2", "bfloat16": "<u2",
    "float32": "<f4", "float64": "<f8",
}  # fmt: skip
CODES = frozenset({"int4", "uint4", "int8", "uint8"})
_WHAT = "map of quantised weights"


@dataclass(frozen=True, slots=True)
class Stored:
    """Numbers of one type and shape from byte `offset` of `path`; of 4 bits, the low half first."""

    path: str
    offset: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return -(-prod(self.shape) * BITS[self.dtype] // 8)

    def is_within(self, sizes: Mapping[str, int]) -> bool:
        """Whether its file is there, and long enough."""
        return self.offset + self.size <= sizes.get(self.path, -1)


@dataclass(frozen=True, slots=True)
class Given:
    """Numbers that a file holds in a way that cannot be pointed at."""

    numbers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Quantised:
    """A weight is (code - zero) * scale: one of each for all, for each index of `axis`, or for
    each `block` codes along it. `zero` None stands for `offset`. Of the last axis only `width`
    codes are weights, where that is not 0.
    """

    name: str
    codes: Stored
    scale: Stored | Given | None
    zero: Stored | Given | None
    axis: int
    block: int
    offset: int
    width: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weights."""
        whole = self.codes.shape
        return (*whole[:-1], self.width) if self.width else whole

    def values(self, read: Read) -> NDArray[np.float32]:
        """The weights; without a scale in units of their own, which no detector minds."""
        codes = numbers(self.codes, read).astype(np.float32)
        if self.zero is None:
            codes -= np.float32(self.offset)
        else:
            codes -= self._spread(numbers(self.zero, read).astype(np.float32))
        if self.scale is not None:
            codes *= self._spread(numbers(self.scale, read).astype(np.float32))
        return codes[..., : self.width] if self.width else codes

    def document(self) -> list[Json]:
        """What `quantised` reads."""
        parts = (self.codes, self.scale, self.zero)
        said: list[Json] = [self.name, *(_stored_document(one) for one in parts)]
        return [*said, self.axis, self.block, self.offset, self.width]

    def _spread(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """As many as there are codes, or so that numpy repeats them."""
        if numbers.size == 1:
            return numbers.reshape(())
        whole = self.codes.shape
        if not self.block:
            return numbers.reshape([-1 if at == self.axis else 1 for at in range(len(whole))])
        blocked = [-(-n // self.block) if at == self.axis else n for at, n in enumerate(whole)]
        # Packed rows of 4-bit numbers end with one that means nothing where their count is odd.
        rows = numbers.reshape([*blocked[: self.axis], -1, *blocked[self.axis + 1 :]])
        repeated = np.repeat(rows, self.block, axis=self.axis)
        return repeated[tuple(slice(0, size) for size in whole)]


def quantised(rows: list[Json], sizes: Mapping[str, int]) -> tuple[Quantised, ...]:
    """What the parser found, in files of these sizes; raises InvalidInput."""
    if len(rows) > MAX_TENSORS:
        raise _wrong(f"more than {MAX_TENSORS} tensors")
    found = tuple(_one(row) for row in rows)
    if len({one.name for one in found}) != len(found):
        raise _wrong("two tensors have one name")
    for one in found:
        for stored in (one.codes, one.scale, one.zero):
            if isinstance(stored, Stored) and not stored.is_within(sizes):
                raise _wrong(f"tensor {one.name[:80]!r} lies outside of its file")
        _require_fit(one)
    return found


def of_answer(document: dict[str, Json], sizes: Mapping[str, int]) -> tuple[Quantised, ...]:
    """What stands under `quantised`; raises InvalidInput."""
    return quantised(fields.sequence(document, "quantised", what=_WHAT), sizes)


def numbers(stored: Stored | Given, read: Read) -> NDArray[np.generic]:
    """The numbers as they stand, bfloat16 as float32; raises UnsafeModel where the file ends."""
    if isinstance(stored, Given):
        return np.array(stored.numbers, np.float32)
    data = read(stored.path, stored.offset, stored.offset + stored.size)
    if len(data) != stored.size:
        raise errors.UnsafeModel(f"{stored.path}: it ends inside a tensor", fix="send it again")
    if BITS[stored.dtype] != 4:
        plain = np.frombuffer(data, _PLAIN[stored.dtype]).reshape(stored.shape)
        if stored.dtype == "bfloat16":
            return (plain.astype("<u4") << 16).view("<f4")
        return plain
    halves = np.frombuffer(data, np.uint8)
    codes = np.empty(2 * halves.size, np.int8)
    codes[0::2], codes[1::2] = halves & 15, halves >> 4
    if stored.dtype == "int4":
        codes[codes > 7] -= 16
    return codes[: prod(stored.shape)].reshape(stored.shape)


def _require_fit(one: Quantised) -> None:
    """Scales and zero points are as many as the codes need of them."""
    whole = one.codes.shape
    if len(whole) < 2 or not 0 <= one.axis < len(whole) or not 0 <= one.width <= whole[-1]:
        raise _wrong(f"tensor {one.name[:80]!r} has an impossible shape")
    along = whole[one.axis]
    blocks = -(-along // one.block) if one.block else 1
    rest = prod(whole) // along
    for stored in (one.scale, one.zero):
        count = _count(stored)
        if count == 1:
            continue
        allowed = {rest * blocks, rest * (blocks + blocks % 2)} if one.block else {along}
        if count not in allowed:
            raise _wrong(f"tensor {one.name[:80]!r}: its scales are of another number")


def _count(numbers: Stored | Given | None) -> int:
    match numbers:
        case Given():
            return len(numbers.numbers)
        case Stored():
            return prod(numbers.shape)
        case None:
            return 1


def _one(row: Json) -> Quantised:
    match row:
        case [str(name), codes, scale, zero, int(axis), int(block), int(offset), int(width)] if (
            0 < len(name) <= MAX_NAME and 0 <= block <= _LARGEST and -256 < offset < 256
        ):
            held = _stored(codes)
            if not isinstance(held, Stored) or held.dtype not in CODES:
                raise _wrong(f"tensor {name[:80]!r} has no codes")
            return Quantised(name, held, _stored(scale), _stored(zero), axis, block, offset, width)
        case _:
            raise _wrong("a tensor is not described as it must be")


def _stored(said: Json) -> Stored | Given | None:
    match said:
        case None:
            return None
        case [list(numbers)]:
            given = tuple(float(n) for n in numbers if isinstance(n, int | float))
            if 0 < len(given) == len(numbers):
                return Given(given)
        case [str(path), int(offset), str(dtype), list(shape)] if dtype in BITS and offset >= 0:
            sizes = tuple(n for n in shape if isinstance(n, int) and 0 < n <= _LARGEST)
            fits = len(sizes) == len(shape) <= _RANK and prod(sizes) <= _LARGEST
            if fits:
                return Stored(path, offset, dtype, sizes)
    raise _wrong("a place is not described as it must be")


def _stored_document(stored: Stored | Given | None) -> Json:
    if stored is None:
        return None
    if isinstance(stored, Given):
        return [list(stored.numbers)]
    return [stored.path, stored.offset, stored.dtype, list(stored.shape)]


def _wrong(what: str) -> errors.InvalidInput:
    return errors.InvalidInput(
        f"{_WHAT}: {what}", fix="send the file again; if it happens again, report this with it"
    )
