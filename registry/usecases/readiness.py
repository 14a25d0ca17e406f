"""Whether this process can do its work now: database, log, blob store, room on the disk.

Each check has a few seconds. One that hangs is not begun again before it ends, so no number of
questions makes it worse; and what was found is good for a moment. Who asks is told which check
failed and in general terms why; the server's log says more.
"""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from registry import errors
from registry.core import note
from registry.db import log, migrate
from registry.usecases.opening import Registry

_LOG = structlog.get_logger("registry.readiness")
_WAIT_S = 5.0
_KEEP_S = 1.0
_MIB = 1024 * 1024
OK = "ok"


@dataclass(frozen=True, slots=True)
class Report:
    """Every check by name: `ok`, or what is wrong."""

    checks: Mapping[str, str]

    @property
    def is_ready(self) -> bool:
        return all(found == OK for found in self.checks.values())


class Readiness:
    """`workers` says of each thread that must run whether it does."""

    def __init__(self, registry: Registry, workers: Mapping[str, Callable[[], bool]]) -> None:
        self._checks: dict[str, Callable[[], None]] = {
            "database": partial(_check_database, registry, migrate.newest()),
            "log": partial(_check_log, registry),
            "storage": registry.blobs.check,
            "disk": partial(_check_disk, registry),
            "workers": partial(_check_workers, workers),
        }
        self._pool = ThreadPoolExecutor(len(self._checks), thread_name_prefix="readiness")
        self._running: dict[str, Future[None]] = {}
        self._one_at_a_time = threading.Lock()
        self._known: tuple[float, Report] | None = None

    def close(self) -> None:
        """A check that hangs is left behind."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def report(self) -> Report:
        """What was found a moment ago, or is found now."""
        with self._one_at_a_time:
            if self._known is None or time.monotonic() - self._known[0] > _KEEP_S:
                found = self._look()
                self._known = (time.monotonic(), found)
            return self._known[1]

    def _look(self) -> Report:
        for name, check in self._checks.items():
            if name not in self._running:
                self._running[name] = self._pool.submit(check)
        deadline = time.monotonic() + _WAIT_S
        return Report({name: self._outcome(name, deadline) for name in self._checks})

    def _outcome(self, name: str, deadline: float) -> str:
        running = self._running[name]
        try:
            running.result(max(deadline - time.monotonic(), 0))
        except NotDone:
            return f"no answer within {_WAIT_S:.0f} s"
        except (errors.PlimsollError, OSError, _Finding) as failure:
            _LOG.warning("not ready", check=name, detail=str(failure))
            said = _in_general(failure)
        else:
            said = OK
        del self._running[name]
        return said


class _Finding(Exception):
    """What a check itself found, in words that anybody may read."""


def _in_general(failure: errors.PlimsollError | OSError | _Finding) -> str:
    match failure:
        case _Finding():
            return str(failure)
        case errors.IntegrityError() | errors.InvalidInput():
            return "does not verify"
        case errors.PlimsollError():
            return "does not answer"
        case OSError():
            return "cannot be written to"


def _check_database(registry: Registry, wanted: str) -> None:
    with registry.database.reading() as session:
        found = migrate.current(session)
    # A newer release may be starting beside this one: its schema serves both (migrations/).
    if found < wanted:
        raise _Finding(f"its schema is at {found or 'nothing'}, not at {wanted}")


def _check_log(registry: Registry) -> None:
    """The head is there, and signed by the key that this process holds."""
    with registry.database.reading() as session:
        head = log.head(session)
    if head is None:
        raise _Finding("the log is gone")
    note.verify_checkpoint(head.checkpoint, registry.log_name)


def _check_disk(registry: Registry) -> None:
    settings = registry.settings
    folders = {settings.data_dir}
    if "://" not in settings.blobs:
        folders.add(Path(settings.blobs))
    for folder in folders:
        free = shutil.disk_usage(folder).free // _MIB
        if free < settings.running.free_mib:
            raise _Finding(f"{free} MiB are free, {settings.running.free_mib} must be")
        _touch(folder)


def _touch(folder: Path) -> None:
    """Raises OSError where nothing can be written: permissions alone do not tell."""
    probe = folder / f".ready-{threading.get_ident()}"
    probe.touch()
    probe.unlink(missing_ok=True)


def _check_workers(workers: Mapping[str, Callable[[], bool]]) -> None:
    ended = [name for name, is_alive in workers.items() if not is_alive()]
    if ended:
        raise _Finding(f"{', '.join(ended)} ended")
