"""Programs under measurement: started as users start them, watched from outside, ended for sure."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from registry import errors

PLIMSOLL = str(Path(sys.executable).with_name("plimsoll"))
_STOPPING_S = 20.0
_TOLD_LINES = 15


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """The process of `command`, with all it says in `log`; gets SIGTERM at the end."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=environment,
            # Ctrl-C is ours to handle: what we measure is ended in order.
            start_new_session=True,
        )
    try:
        yield process
    except Exception as error:
        error.add_note(f"{log.name} ends with:\n{_end_of(log)}")
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOPPING_S)
        except subprocess.TimeoutExpired:
            # Its own session: what it has started goes with it.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def await_true(
    is_so: Callable[[], bool],
    what: str,
    *,
    timeout: float,
    process: subprocess.Popen[bytes] | None = None,
    every: float = 0.02,
) -> float:
    """Ask until it is so and return the seconds it took; raises `WaitTimedOut`, or
    `Unavailable` where `process` has ended meanwhile."""
    start = time.perf_counter()
    while not is_so():
        if process is not None and process.poll() is not None:
            raise errors.Unavailable(f"{what}: the process ended with code {process.returncode}")
        if time.perf_counter() - start > timeout:
            raise errors.WaitTimedOut(f"{what}: not so after {timeout:g} s")
        time.sleep(every)
    return time.perf_counter() - start


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_TOLD_LINES:])
