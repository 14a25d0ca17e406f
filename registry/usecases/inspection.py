"""Has a draft's files looked at, in a child process, before anybody may load them."""

import tempfile
from pathlib import Path

from registry.core.oms import File
from registry.formats import inspection
from registry.formats.inspection import Inspection
from registry.usecases.opening import Registry


def inspect(registry: Registry, format_name: str, files: tuple[File, ...]) -> Inspection:
    """What the model takes and gives; raises UnsafeModel."""
    limits = registry.settings.limits
    bounds = inspection.Limits(
        model_bytes=limits.max_model_bytes, wall_seconds=limits.inspection_seconds
    )
    with tempfile.TemporaryDirectory(prefix="inspect-", dir=registry.settings.data_dir) as folder:
        local = {file.path: registry.blobs.local(file.digest, Path(folder)) for file in files}
        return inspection.inspect(local, format_name, bounds)
