"""What runs in the container of an inspection: `python -m registry.formats.contained JOB`.

Everything comes in on standard input (`container` writes it): the limits, the request, the files of
the model. All of it is in memory when the last wall goes up; the answer leaves on standard output.
"""

import importlib
import os
import struct
import sys
from typing import BinaryIO

from registry.formats import confine, zygote

# Limits as for a child of the zygote, then how many files follow the request.
HEADER = struct.Struct(f"={zygote.HEADER.format.removeprefix('=')}I")
LENGTH = struct.Struct("=Q")
_STANDING = "container: no network, read-only, no capabilities"


def main() -> None:
    """Answer once. What is not an answer leaves as an exception and ends the process."""
    job = importlib.import_module(sys.argv[1])
    source = sys.stdin.buffer
    memory_bytes, cpu_seconds, count = HEADER.unpack(source.read(HEADER.size))
    request, *model = [_received(source) for _ in range(1 + count)]
    zygote.arrange([request, 2, os.dup(1), *model])
    walls = confine.confine(memory_bytes=memory_bytes, cpu_seconds=cpu_seconds)
    zygote.respond(job.answer, len(model), [_STANDING, *walls])


def _received(source: BinaryIO) -> int:
    """The next file, in memory; a stream that ends too early leaves a file that is too short."""
    (left,) = LENGTH.unpack(source.read(LENGTH.size))
    descriptor = os.memfd_create("model")
    while left and (block := source.read(min(left, 1 << 20))):
        os.write(descriptor, block)
        left -= len(block)
    return descriptor


if __name__ == "__main__":
    main()
