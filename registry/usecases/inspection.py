"""Has a draft's files looked at, in a child process, before anybody may load them."""

import asyncio
import os
import tempfile
from pathlib import Path

from registry.core.oms import File
from registry.formats import inspection
from registry.formats.inspection import Inspection
from registry.usecases.opening import Registry

# What is not a plain file in the store, and larger than this, is copied to a file for a while.
_IN_MEMORY = 64 * 1024**2


def inspect(registry: Registry, format_name: str, files: tuple[File, ...]) -> Inspection:
    """What the model takes and gives; raises UnsafeModel."""
    limits = registry.settings.limits
    bounds = inspection.Limits(
        model_bytes=limits.max_model_bytes, wall_seconds=limits.inspection_seconds
    )
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

        sizes = {file.path: file.size for file in files}
        return registry.inspector.inspect(sizes, fetch, format_name, bounds)


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
