"""What a parser is given, and what it finds."""

import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass

from registry.core.canonical import Json
from registry.core.tensors import Signature
from registry.formats.refusal import unsafe


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of the model that may be read: its path there, its size, and the open descriptor."""

    path: str
    size: int
    descriptor: int

    def read(self, start: int, count: int) -> bytes:
        """Bytes from `start` on, fewer than `count` only at the end."""
        block = os.pread(self.descriptor, count, start)
        while 0 < len(block) < count:
            more = os.pread(self.descriptor, count - len(block), start + len(block))
            if not more:
                break
            block += more
        return block

    def message(self) -> memoryview:
        """All of it, which is a protobuf message; raises UnsafeModel where it cannot be one."""
        if self.size == 0:
            return memoryview(b"")
        if self.size >= 1 << 31:
            raise unsafe(
                self.path,
                f"{self.size} bytes: no protobuf message may have 2 GiB or more",
                fix="keep the weights in external data files (onnx.save_model with "
                "save_as_external_data=True) or in variables/",
            )
        return memoryview(mmap.mmap(self.descriptor, self.size, prot=mmap.PROT_READ))


@dataclass(frozen=True, slots=True)
class Model:
    """`sizes` has every file, `opened` those that may be read: the head, and with it the shards."""

    head: Opened
    opened: Mapping[str, Opened]
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Found:
    """`files` are those that the model itself consists of; `detail` is shown to people."""

    signature: Signature
    detail: dict[str, Json]
    files: frozenset[str]
