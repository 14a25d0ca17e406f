"""Runs one short-lived child under a deadline and hands back what it said, or why it could not.

The children are forked by a `zygote`, started here when it is first needed and again when it is
gone. A child shuts itself in (`confine`); here is what needs the other side: a clean environment,
no descriptors but those handed over, answers of bounded size, a bounded number at once, and the
end of its whole process group when time is up. A child can hang, crash or be killed: the caller
only ever gets a value.
"""

import io
import os
import select
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from registry import errors
from registry.formats import confine, zygote

PLACES = 8
_ATTEMPTS = 2
_TO_END = 5.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one child may take."""

    memory_bytes: int
    cpu_seconds: int
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """It ended by itself with status 0; `answer` is what it answered."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class Stopped:
    """It took more than it may; `reason` completes the sentence "the inspection …"."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It broke; `reason` completes the sentence "the inspection …"."""

    reason: str


Outcome: TypeAlias = Ended | Stopped | Failed


class _Lost(Exception):
    """The zygote is gone, and nobody knows how the child ended."""


class Sandbox:
    """Children that each run `job`'s `answer` once. Threads may share it; a fork gets its own."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._zygote: _Zygote | None = None
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(PLACES)
        begin_again = weakref.WeakMethod(self._begin_again)
        os.register_at_fork(after_in_child=lambda: (found := begin_again()) and found())

    def run(self, request: bytes, *, files: Sequence[int], bounds: Bounds) -> Outcome:
        """One child's answer; `files` are open in it from descriptor 4 on.

        Raises Busy where no place gets free in time, Unavailable where no child can be had.
        """
        if not self._places.acquire(timeout=bounds.wall_seconds):
            raise errors.Busy(
                f"{PLACES} models are being inspected already", fix="publish again in a moment"
            )
        try:
            for _ in range(_ATTEMPTS):
                started = self._started()
                with suppress(_Lost):
                    return self._in(started, request, files, bounds)
                self._discard(started)
            raise errors.Unavailable(
                f"the inspecting process was ended or does not start: {started.words()}",
                fix="publish again; if it happens again, look at the registry's installation",
            )
        finally:
            self._places.release()

    def close(self) -> None:
        """End the zygote and with it every child; running again starts another."""
        with self._lock:
            if self._zygote is not None:
                self._zygote.close()
                self._zygote = None

    def _begin_again(self) -> None:
        """In a forked registry: the zygote and the locks are its parent's."""
        if self._zygote is not None:
            self._zygote.forget()
            self._zygote = None
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(PLACES)

    def _started(self) -> "_Zygote":
        with self._lock:
            if self._zygote is None:
                self._zygote = _Zygote(self._job)
            return self._zygote

    def _discard(self, one: "_Zygote") -> None:
        with self._lock:
            if self._zygote is one:
                self._zygote = None

    def _in(
        self, started: "_Zygote", request: bytes, files: Sequence[int], bounds: Bounds
    ) -> Outcome:
        with _memory("request") as asked, _memory("answer") as answer, _memory("words") as words:
            asked.write(request)
            handed = [asked.fileno(), words.fileno(), answer.fileno(), *files]
            status = started.run(handed, bounds)
            if status is None:
                return Stopped(f"took longer than {bounds.wall_seconds:g} s")
            if status == 0:
                return Ended(_read(answer))
            if status < 0:
                # What a crash taught about the memory's layout must not serve the next model.
                self._discard(started)
            return _broken(status, _last_line(words))


class _Zygote:
    """One running `zygote`; it ends when this end of its socket is closed, or this object gone."""

    def __init__(self, job: str) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_TO_END)
        self._words = _memory("words")
        with theirs:
            number = os.posix_spawn(
                sys.executable,
                [sys.executable, "-s", "-P", "-m", zygote.__name__, job],
                _environment(),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                    (os.POSIX_SPAWN_DUP2, self._words.fileno(), 1),
                    (os.POSIX_SPAWN_DUP2, self._words.fileno(), 2),
                ],
                setsid=True,
            )
        self._finalizer = weakref.finalize(self, _end, number, self._control, self._words)

    def run(self, handed: Sequence[int], bounds: Bounds) -> int | None:
        """The child's exit status; None where it took too long. Raises _Lost."""
        header = zygote.HEADER.pack(bounds.memory_bytes, bounds.cpu_seconds)
        with ExitStack() as stack:
            ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
            try:
                with theirs:
                    socket.send_fds(self._control, [header], [theirs.fileno(), *handed])
                return _status(ours, bounds.wall_seconds)
            except OSError as error:
                raise _Lost from error

    def words(self) -> str:
        """The last thing it said, which is why it could not start."""
        return _last_line(self._words) or "it said nothing"

    def close(self) -> None:
        self._finalizer()

    def forget(self) -> None:
        """It is another process's child: only the descriptors are ours."""
        self._finalizer.detach()
        self._control.close()
        self._words.close()


def _end(number: int, control: socket.socket, words: io.FileIO) -> None:
    control.close()
    words.close()
    watched = os.pidfd_open(number)
    try:
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        if not poll.poll(_TO_END * 1000):
            os.kill(number, signal.SIGKILL)  # not yet reaped, so it is nobody else
        os.waitpid(number, 0)
    finally:
        os.close(watched)


def _status(report: socket.socket, wall_seconds: float) -> int | None:
    """See `_Zygote.run`; when this returns, nothing of the child's process group is left."""
    in_time = True
    report.settimeout(wall_seconds)
    try:
        said = report.recv(zygote.REPORT.size)
    except TimeoutError:
        in_time = False
        report.shutdown(socket.SHUT_WR)
        report.settimeout(_TO_END)
        said = report.recv(zygote.REPORT.size)
    if not said:
        raise _Lost
    (status,) = zygote.REPORT.unpack(said)
    return status if in_time else None


def _environment() -> dict[str, str]:
    """Nothing of ours but where modules are: no token, no proxy, no library path."""
    places = [str(Path(confine.__file__).parents[2]), *filter(None, sys.path)]
    return {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(places)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "LANG": "C.UTF-8",
        "PATH": "",
    }


def _broken(status: int, last_line: str) -> Stopped | Failed:
    if status > 0:
        return Failed(f"failed with status {status}: {last_line}")
    if -status in {signal.SIGXCPU, signal.SIGKILL}:
        return Stopped("used up its processor time or memory")
    return Failed(f"crashed the parser ({signal.strsignal(-status) or -status})")


def _memory(name: str) -> io.FileIO:
    return io.FileIO(os.memfd_create(name), "w+b")


def _read(file: io.FileIO) -> bytes:
    return os.pread(file.fileno(), confine.MAX_ANSWER, 0)


def _last_line(file: io.FileIO) -> str:
    return _read(file).decode(errors="replace").strip().rpartition("\n")[2][:300]
