"""Runs one short-lived child under a deadline and hands back what it said, or why it could not.

The child shuts itself in (`confine`); here is what needs the other side: a clean environment,
no inherited descriptors but one, answers of bounded size, and the end of its whole process
group when time is up. A child can hang, crash or be killed: the caller only ever gets a value.
"""

import io
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.formats import confine


@dataclass(frozen=True, slots=True)
class Ended:
    """It ended by itself with status 0; `answer` is what it wrote on stdout."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class Stopped:
    """It took more than it may; `reason` completes the sentence "the inspection …"."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It broke; `reason` completes the sentence "the inspection …"."""

    reason: str


def run(
    program: Sequence[str], request: bytes, *, descriptor: int, wall_seconds: float
) -> Ended | Stopped | Failed:
    """Run `python <program>`; `descriptor` stays open in it under the same number."""
    with _memory("request") as stdin, _memory("answer") as stdout, _memory("words") as stderr:
        stdin.write(request)
        stdin.seek(0)
        process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            [sys.executable, "-s", "-P", *program],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=_environment(),
            cwd="/",
            pass_fds=(descriptor,),
            start_new_session=True,
        )
        in_time = _wait(process, wall_seconds)
        words = _read(stderr.fileno()).decode(errors="replace")
        if not in_time:
            return Stopped(f"took longer than {wall_seconds:g} s")
        if process.returncode == 0:
            return Ended(_read(stdout.fileno()))
        return _broken(process.returncode, words)


def _environment() -> dict[str, str]:
    """Nothing of ours but where modules are: no token, no proxy, no library path."""
    places = [str(Path(confine.__file__).parents[2]), *filter(None, sys.path)]
    return {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(places)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "LANG": "C.UTF-8",
        "PATH": "",
    }


def _wait(process: subprocess.Popen[bytes], wall_seconds: float) -> bool:
    """Whether it ended in time; nothing of its process group is left in either case."""
    watched = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        ended = bool(poll.poll(wall_seconds * 1000))
    finally:
        os.close(watched)
        # Not yet reaped, so the number cannot be somebody else's.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return ended


def _broken(status: int, words: str) -> Stopped | Failed:
    if status > 0:
        last = words.strip().rpartition("\n")[2]
        return Failed(f"failed with status {status}: {last[:300]}")
    if -status in {signal.SIGXCPU, signal.SIGKILL}:
        return Stopped("used up its processor time or memory")
    return Failed(f"crashed the parser ({signal.Signals(-status).name})")


def _memory(name: str) -> io.FileIO:
    return io.FileIO(os.memfd_create(name), "w+b")


def _read(descriptor: int) -> bytes:
    return os.pread(descriptor, confine.MAX_ANSWER, 0)
