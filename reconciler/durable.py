"""Writes a file so that a crash leaves the whole of the new one, or the old one as it was."""

import os
from pathlib import Path


def write(target: Path, data: bytes) -> None:
    """Have `target` hold `data`, for this user alone; on disk when this returns."""
    draft = target.with_name(f".{target.name}.new")
    descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
