"""A checkout of the desired-state repository, read from disk for a person at a terminal."""

from pathlib import Path
from typing import TYPE_CHECKING

from registry import errors

if TYPE_CHECKING:
    from reconciler.core.desired import DesiredState

_NO_COMMIT = "0" * 40


def files(root: Path) -> dict[str, bytes]:
    """All that desired state is made of, by its path from `root`; links are left out."""
    from reconciler.core import desired  # noqa: PLC0415  heavy

    found = [path for folder in desired.FOLDERS for path in sorted((root / folder).rglob("*"))]
    if not found:
        raise errors.NotFound(
            f"{root} has neither models.d/ nor policies/",
            fix="run this in a checkout of the desired-state repository, or name one",
        )
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in found
        if path.is_file() and not path.is_symlink()
    }


def state(root: Path) -> "DesiredState":
    """What it asks for, whatever is wrong with some of its files."""
    from reconciler.core import desired  # noqa: PLC0415  heavy

    return desired.load(files(root), commit=_NO_COMMIT)
