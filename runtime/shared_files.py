"""Files that several versions of a cache have in common, by digest: hard links of one file.

A model's tokenizer, its frozen layers, the same version for two models: pulled once, on the disk
once, in the page cache once. What lies here proves nothing either: it is hashed before it is used.
"""

import os
from contextlib import suppress
from pathlib import Path

from registry.core.oms import File


class SharedFiles:
    """One folder, `<hex of sha256>` each. Several runtimes of a host may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def find(self, file: File) -> Path | None:
        """Where such a file lies, if one does; its bytes are not compared yet."""
        found = self._place(file)
        with suppress(OSError):
            if found.stat(follow_symlinks=False).st_size == file.size:
                return found
        return None

    def link(self, found: Path, target: Path) -> bool:
        """Make `target` that file; false where it is gone meanwhile, or links are not possible."""
        try:
            target.hardlink_to(found)
        except OSError:
            return False
        return True

    def drop(self, file: File) -> None:
        """It is not what its name says."""
        self._place(file).unlink(missing_ok=True)

    def keep(self, file: File, path: Path) -> None:
        """Offer a verified file to later versions; a disk that knows no links goes without."""
        with suppress(OSError):
            self._place(file).hardlink_to(path)

    def forget_unused(self) -> None:
        """Remove what no version has any more."""
        for entry in os.scandir(self._folder):
            with suppress(OSError):
                if entry.stat(follow_symlinks=False).st_nlink == 1:
                    Path(entry.path).unlink()

    def _place(self, file: File) -> Path:
        return self._folder / file.digest.removeprefix("sha256:")
