"""What survives a power cut: fsync of the file, rename, fsync of the folder. In that order."""

import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from registry import errors

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def full_disk_named(what: str) -> Iterator[None]:
    """Turn "no space left" into StorageFull; other failures pass as they are."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise errors.StorageFull(
                f"no room left while storing {what}",
                fix="free disk space on the registry, then resume the upload",
            ) from error
        raise


def move(source: Path, target: Path) -> None:
    """Move a file whose content is already synced; both paths are on one file system.

    A crash before the rename leaves the source, after it the target, never half of either.
    """
    move_all({source: target})


def move_all(targets: Mapping[Path, Path]) -> None:
    """Move several, from key to value, each as `move` does; each folder is synced once."""
    for source, target in targets.items():
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(target.parent.parent)
        source.replace(target)
    for folder in {target.parent for target in targets.values()}:
        sync_folder(folder)


def sync_file(path: Path) -> None:
    """Make a file's content durable, whoever wrote it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the folder's list of names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(descriptor: int, content: bytes | bytearray | memoryview) -> None:
    """All of `content`; raises OSError."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this user may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with full_disk_named(path.name), open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    move(temporary, path)
