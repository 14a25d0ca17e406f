"""One local process that outlives us, found again by its own command line in /proc.

There is no pid file that could lie: a process is ours if it runs exactly our arguments.
"""

import contextlib
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from reconciler.engines import wire
from registry import errors

_LOG_LIMIT = 10 << 20
_KEPT_ENVIRONMENT = ("HOME", "LANG", "PATH", "SSL_CERT_FILE", "TMPDIR")


class Supervised:
    """`python <arguments>`, detached, its output appended to `log`."""

    def __init__(self, arguments: list[str], *, log: Path, environment: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._log = log
        self._environment = environment

    def pid(self) -> int | None:
        """The process, if it runs."""
        wanted = "\0".join(self._arguments).encode() + b"\0"
        found = (pid for pid, line in _command_lines() if line.endswith(b"\0" + wanted))
        return next((pid for pid in found if not _has_ended(pid)), None)

    def start(self) -> None:
        """Start it unless it runs; returns at once. Raises `EngineRefused`."""
        if self.pid() is not None:
            return
        try:
            self._spawn()
        except OSError as error:
            raise errors.EngineRefused(
                f"a process with the log {self._log} cannot be started: {error.strerror}",
                fix="see that memory, processes and room on that disk are left",
            ) from error

    def _spawn(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        is_long = self._log.exists() and self._log.stat().st_size > _LOG_LIMIT
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if is_long else 0)
        os.posix_spawn(
            sys.executable,
            [sys.executable, *self._arguments],
            dict(self._environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self._log), flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )

    def stop(self, *, timeout: float) -> None:
        """Ask it to end, and make it end when `timeout` seconds were not enough."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            pid = self.pid()
            if pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if wire.until(lambda: self.pid() is None, timeout=timeout):
                return
        raise errors.EngineRefused(
            f"process {self.pid()} does not end", fix="see what it waits for in /proc/<pid>/stack"
        )

    def tail(self, lines: int) -> str:
        """The last lines of the log; empty before its first start."""
        if not self._log.exists():
            return ""
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - lines * 1000))
            kept = log.read().decode(errors="replace").splitlines()[-lines:]
        return "".join(f"{line}\n" for line in kept)


def environment() -> dict[str, str]:
    """Enough to run; nothing else of ours is the runtime's business."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    found = importlib.util.find_spec("runtime")
    if found is not None and found.origin is not None:
        kept["PYTHONPATH"] = str(Path(found.origin).parent.parent)
    return kept


def _command_lines() -> Iterator[tuple[int, bytes]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            # It may end while we look.
            with contextlib.suppress(OSError):
                yield int(folder.name), (folder / "cmdline").read_bytes()


def _has_ended(pid: int) -> bool:
    """Whether only its exit code is left; if it was our child, that is collected here."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    if state != "Z":
        return False
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return True
