"""The access file as it stands now: read again when it changed. A broken one grants nothing."""

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from registry.core.grants import Rule

_LOG = structlog.get_logger("registry.access")
_LOOK_EVERY_S = 1.0


class AccessFile:
    """Threads share it. `problems` are what is wrong with the file, each with its line."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._looked = -1e9
        self._seen: object = None
        self._rules: tuple[Rule, ...] = ()
        self.problems: tuple[str, ...] = ()

    def rules(self) -> "tuple[Rule, ...]":
        """What is granted, as of a second ago at most."""
        with self._lock:
            now = time.monotonic()
            if self._path is not None and now - self._looked >= _LOOK_EVERY_S:
                self._looked = now
                self._look(self._path)
            return self._rules

    def _look(self, path: Path) -> None:
        # Heavy, and most registries have no such file.
        from registry.core import grants  # noqa: PLC0415
        from registry.core.documents import Problem  # noqa: PLC0415

        try:
            status = path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            found = grants.parse(path.name, path.read_bytes())
        except OSError as error:
            seen, found = (
                (0, 0, 0),
                (Problem(path.name, 1, 1, f"cannot be read: {error.strerror}"),),
            )
            if seen == self._seen:
                return
        self._seen = seen
        self._rules = tuple(one for one in found if isinstance(one, grants.Rule))
        self.problems = tuple(one.detail for one in found if isinstance(one, Problem))
        if self.problems:
            _LOG.error("access file grants nothing", file=str(path), problems=self.problems[:5])
        else:
            _LOG.info("access file read", file=str(path), grants=len(self._rules))
