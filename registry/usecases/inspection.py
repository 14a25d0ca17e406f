"""Has a draft's files looked at, in a child process, before anybody may load them."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.core.canonical import Json
from registry.core.oms import File
from registry.formats import inspection
from registry.formats.inspection import Inspection
from registry.formats.weights import WeightMap
from registry.usecases.opening import Registry

# What is not a plain file in the store, and larger than this, is copied to a file for a while.
_IN_MEMORY = 64 * 1024**2


def inspect(registry: Registry, format_name: str, files: tuple[File, ...]) -> Inspection:
    """What the model takes and gives; raises UnsafeModel."""
    with _fetching(registry, files) as fetch:
        return registry.inspector.inspect(_sizes(files), fetch, format_name, _bounds(registry))


def weights(registry: Registry, format_name: str, files: tuple[File, ...]) -> WeightMap:
    """Where the weights lie that can carry a mark; raises UnsafeModel."""
    with _fetching(registry, files) as fetch:
        return registry.inspector.weights(_sizes(files), fetch, format_name, _bounds(registry))


def suspect(
    registry: Registry, format_name: str, files: tuple[File, ...]
) -> tuple[str, dict[str, Json]]:
    """The format of files that nobody vouches for, and what `formats.suspect` reads them by.

    An empty `format_name` is found out. Raises UnsafeModel.
    """
    with _fetching(registry, files) as fetch:
        return registry.inspector.suspect(
            _sizes(files), fetch, format_name or None, _bounds(registry)
        )


def _sizes(files: tuple[File, ...]) -> dict[str, int]:
    return {file.path: file.size for file in files}


def _bounds(registry: Registry) -> inspection.Limits:
    limits = registry.settings.limits
    return inspection.Limits(
        model_bytes=limits.max_model_bytes, wall_seconds=limits.inspection_seconds
    )


@contextmanager
def _fetching(registry: Registry, files: tuple[File, ...]) -> Iterator[inspection.Fetch]:
    """Opens the files for the child, as long as the block lasts."""
    by_path = {file.path: file for file in files}
    with tempfile.TemporaryDirectory(prefix="inspect-", dir=registry.settings.data_dir) as folder:

        def fetch(path: str, count: int | None) -> int:
            file = by_path[path]
            stored = registry.blobs.open(file.digest)
            if stored is not None:
                return stored
            if count is not None and count < file.size:
                return asyncio.run(_start(registry, file, count))
            if file.size <= _IN_MEMORY:
                return asyncio.run(_start(registry, file, file.size))
            return inspection.open_plain(path, registry.blobs.local(file.digest, Path(folder)))

        yield fetch


@contextmanager
def opened(registry: Registry, file: File) -> Iterator[int]:
    """A descriptor of the file's bytes, as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="inspect-", dir=registry.settings.data_dir) as folder:
        found = registry.blobs.open(file.digest)
        if found is None:
            found = inspection.open_plain(
                file.path, registry.blobs.local(file.digest, Path(folder))
            )
        try:
            yield found
        finally:
            os.close(found)


async def _start(registry: Registry, file: File, count: int) -> int:
    """The first bytes of a blob that is not a file here, in a file that is only in memory."""
    descriptor = os.memfd_create("start")
    try:
        async for block in registry.blobs.read(file.digest, 0, count):
            os.write(descriptor, block)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
