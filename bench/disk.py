"""The disk as it is: a file of random bytes, and how fast a plain program writes one, synced."""

import hashlib
import os
import time
from pathlib import Path

BLOCK = 1024 * 1024


def random_file(path: Path, size: int) -> str:
    """Fill `path` with `size` random bytes, synced; returns their digest.

    The file stays in the page cache, for whoever reads it next.
    """
    hasher = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(size // BLOCK):
            block = os.urandom(BLOCK)
            hasher.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return "sha256:" + hasher.hexdigest()


def write_plainly(source: Path, target: Path) -> float:
    """Seconds to write what `source` holds to the new file `target` and to sync it.

    1 MiB at a time, and nothing else: no digest, no rename. Grows with the size alone.
    """
    buffer = bytearray(BLOCK)
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        start = time.perf_counter()
        while count := reading.readinto(buffer):
            writing.write(memoryview(buffer)[:count])
        os.fsync(writing.fileno())
        took = time.perf_counter() - start
    target.unlink()
    return took
