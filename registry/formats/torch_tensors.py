"""What a TorchScript pickle says of tensors: a storage is a record, a tensor a view into one."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

STORAGES: Mapping[str, tuple[str, int]] = {
    "DoubleStorage": ("float64", 8), "FloatStorage": ("float32", 4), "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2), "LongStorage": ("int64", 8), "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2), "CharStorage": ("int8", 1), "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1), "ComplexFloatStorage": ("complex64", 8),
    "ComplexDoubleStorage": ("complex128", 16), "QInt8Storage": ("qint8", 1),
    "QUInt8Storage": ("quint8", 1), "QInt32Storage": ("qint32", 4),
}  # fmt: skip
BYTES: Mapping[str, int] = dict(STORAGES.values())


@dataclass(frozen=True, slots=True)
class Storage:
    """Elements of a record; `elements` as the pickle declares, within what is there."""

    record: str
    dtype: str
    elements: int


@dataclass(frozen=True, slots=True)
class Weight:
    """A tensor; `offset` and `strides` count elements of its storage."""

    storage: Storage
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]

    @property
    def reach(self) -> int:
        """The element behind its last one."""
        if not prod(self.shape):
            return self.offset
        steps = zip(self.shape, self.strides, strict=True)
        return self.offset + sum((count - 1) * step for count, step in steps) + 1

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie one behind the other, in C order."""
        expected = 1
        for count, step in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if count != 1 and step != expected:
                return False
            expected *= count
        return True
