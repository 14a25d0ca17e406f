"""What survives a power cut: fsync of the file, rename, fsync of the folder. In that order."""

import os
import secrets
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all; only this user may read it."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    move(temporary, path)


def create(path: Path, content: bytes) -> None:
    """As `replace`, but only where there is nothing yet; raises FileExistsError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        path.hardlink_to(temporary)
    finally:
        temporary.unlink()
    sync_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename what is already synced; after a crash it is at one place or at the other."""
    source.replace(target)
    sync_folder(target.parent)


def stems(folder: Path) -> set[str]:
    """What the names in `folder` begin with, up to a dot; of unfinished files too."""
    return {path.name.removeprefix(".").partition(".")[0] for path in folder.iterdir()}


def forget(folder: Path, stem: str) -> None:
    """Remove every file there whose name begins with `stem`, unfinished ones too."""
    for pattern in (f"{stem}.*", f".{stem}.*"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the folder's list of names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make the names in `folder` and in every folder below it durable."""
    for found, _, _ in os.walk(folder):
        sync_folder(Path(found))
