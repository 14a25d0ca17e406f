"""One large file: where it comes from, which registry it goes to, and how its figure reads."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import registries, repeating
from registry.core.oms import File

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Large:
    """`folder` is for whatever comes of it; it lies on the same file system as all blobs."""

    registry: registries.Running
    source: Path
    file: File
    folder: Path

    @property
    def mebibytes(self) -> int:
        return self.file.size // MIB

    def speed(self, seconds: float) -> float:
        """MB/s, all of it in so many seconds."""
        return self.file.size / seconds / 1e6


def anew(work: Callable[[], object], kept: Path) -> Callable[[], float]:
    """Seconds of `work`, which stores the file `kept`, each time as if for the first time.

    Replacing what the last time has left would pay for freeing it.
    """

    def measured() -> float:
        kept.unlink(missing_ok=True)
        os.sync()
        return repeating.seconds(work)

    return measured
