"""A large file into the registry and out of it again, and what that costs the server in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import disk, distribution, downloads, figures, memory, mlflow, registries, uploads
from bench.figures import Row
from bench.large import Large
from registry.core.oms import File

SIZE = 1024**3
_AREA = "registry"


@contextmanager
def prepared(registry: registries.Running, folder: Path, *, size: int) -> Iterator[Large]:
    """A random file of `size` bytes on the file system of the registry's blobs."""
    source = folder / "large.bin"
    digest = disk.random_file(source, size)
    yield Large(registry, source, File("model.bin", digest, size), folder)
    source.unlink()


def rows(
    registry: registries.Running, folder: Path, peer: mlflow.Running, *, size: int = SIZE
) -> Iterator[Row]:
    """Up, then down, then the memory of all the server's processes.

    Times grow with the size alone; the server's memory does not grow with it at all.
    """
    with prepared(registry, folder, size=size) as large:
        processes = memory.tree(registry.process.pid)
        before = memory.resident(processes)
        memory.forget_peak(processes)
        with distribution.running(folder / "distribution") as other:
            yield from uploads.rows(large, other, peer)
        yield from downloads.rows(large)
        grown = memory.peak(memory.tree(registry.process.pid)) - before
        yield Row(
            _AREA,
            f"server memory, peak over baseline, during these ({size // memory.MIB} MiB each)",
            grown / memory.MIB,
            "MiB",
            f"{before // memory.MIB} MiB resident before",
            bar=figures.under(64),
        )
