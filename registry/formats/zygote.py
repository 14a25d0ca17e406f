"""The warm parent of all inspections: `python -m registry.formats.zygote JOB`, from `sandbox` only.

It imports the job, which brings the parsers, and from then on only forks: one child for each
request, which shuts itself in (`confine`) before it reads a byte of a model, answers and ends.
It reads no model itself, so every child starts from the same clean state, and it has one thread,
so a fork is safe. A request is one packet on descriptor 0: the limits, and with them the open
files report, request, words, answer, and those of the model.
"""

import contextlib
import ctypes
import fcntl
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from registry.formats import confine

HEADER = struct.Struct("=QQ")  # bytes of memory, seconds of processor
REPORT = struct.Struct("=i")  # an exit status, negative for a signal
MAX_FILES = 240  # the kernel passes 253 at once

_REQUEST, _ANSWER, _MODEL = 0, 3, 4
_ABOVE = 256
_PR_SET_PDEATHSIG = 1

Answer = Callable[[bytes, range, list[str]], bytes]


@dataclass(frozen=True, slots=True)
class Child:
    """`process` is its pidfd; `report` is the socket of whoever waits for it."""

    number: int
    process: int
    report: int


class Nursery:
    """All children that run, and the socket on which more are asked for."""

    def __init__(self, control: socket.socket, answer: Answer) -> None:
        self._control = control
        self._answer = answer
        self._processes: dict[int, Child] = {}
        self._reports: dict[int, Child] = {}
        self._poll = select.poll()

    def run(self) -> None:
        """Return when the registry is gone; no child outlives that."""
        self._poll.register(self._control, select.POLLIN)
        is_asked = True
        while is_asked:
            ready = {descriptor for descriptor, _ in self._poll.poll()}
            for descriptor in ready & self._processes.keys():
                self._end(self._processes[descriptor])
            for descriptor in ready & self._reports.keys():
                self._give_up(self._reports[descriptor])
            # Last, or the files of a new child could get the numbers of those that just ended.
            if self._control.fileno() in ready:
                is_asked = self._begin()
        for child in self._processes.values():
            _kill(child)

    def _begin(self) -> bool:
        header, handed, flags, _ = socket.recv_fds(self._control, HEADER.size, 4 + MAX_FILES)
        if not header:
            return False
        # Whoever asked and gets no report sees its socket close, and knows that nothing ran.
        with contextlib.suppress(OSError):
            if not flags & socket.MSG_CTRUNC:
                handed.remove(self._fork(header, handed))
        for descriptor in handed:
            os.close(descriptor)
        return True

    def _fork(self, header: bytes, handed: list[int]) -> int:
        """The descriptor that is kept open; raises OSError where no process can be had."""
        own = os.getpid()
        number = os.fork()
        if number == 0:
            _live(own, header, handed[1:], self._answer)
        child = Child(number, os.pidfd_open(number), handed[0])
        self._processes[child.process] = self._reports[child.report] = child
        self._poll.register(child.process, select.POLLIN)
        self._poll.register(child.report, select.POLLIN)
        return child.report

    def _give_up(self, child: Child) -> None:
        """The other side wants no answer any more, or is gone."""
        del self._reports[child.report]
        self._poll.unregister(child.report)
        _kill(child)

    def _end(self, child: Child) -> None:
        """It ended; nothing of its process group is left when that is reported."""
        del self._processes[child.process]
        self._poll.unregister(child.process)
        if self._reports.pop(child.report, None):
            self._poll.unregister(child.report)
        _kill(child)  # not yet reaped, so the number cannot be somebody else's
        _, status = os.waitpid(child.number, 0)
        with contextlib.suppress(OSError):
            os.write(child.report, REPORT.pack(os.waitstatus_to_exitcode(status)))
        os.close(child.report)
        os.close(child.process)


def main() -> None:
    """Serve until the registry closes its end."""
    # Whatever was inheritable in the registry, by whatever mistake, stops here.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
    job = importlib.import_module(sys.argv[1])
    _be_the_first_to_go()
    gc.collect()
    gc.freeze()  # or each child's collector would touch, and so copy, every page
    with socket.socket(fileno=0) as control:
        Nursery(control, job.answer).run()


def _be_the_first_to_go() -> None:
    """Where memory runs out, the kernel ends an inspection and not the registry."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")


def _kill(child: Child) -> None:
    """Both, because right after the fork the child leads no group yet."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            kill(child.number, signal.SIGKILL)


def _live(parent: int, header: bytes, handed: list[int], answer: Answer) -> NoReturn:
    """The life of a child. Whatever happens, it never gets back into its parent's loop."""
    status = 1
    try:
        arrange(handed)
        os.setsid()
        _require_parent(parent)
        memory_bytes, cpu_seconds = HEADER.unpack(header)
        walls = confine.confine(memory_bytes=memory_bytes, cpu_seconds=cpu_seconds)
        _require_parent(parent)  # to change the user is to forget whom to follow for a moment
        respond(answer, len(handed) - 3, walls)
        status = 0
    except BaseException:  # noqa: BLE001  see above
        traceback.print_exc()
    finally:
        os._exit(status)


def respond(answer: Answer, count: int, walls: list[str]) -> None:
    """Read the request, and write what `answer` says of the `count` files of the model."""
    request = os.pread(_REQUEST, os.fstat(_REQUEST).st_size, 0)
    said = memoryview(answer(request, range(_MODEL, _MODEL + count), walls))
    while said:
        said = said[os.write(_ANSWER, said) :]


def arrange(handed: list[int]) -> None:
    """Request on 0, words on 1 and 2, answer on 3, the model from 4 on, and nothing else."""
    request, words, answer, *model = handed
    wanted = [request, words, words, answer, *model]
    # First out of the way, since one's place may be where another still is.
    above = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _ABOVE) for descriptor in wanted]
    for place, descriptor in enumerate(above):
        os.dup2(descriptor, place)
    os.closerange(len(wanted), os.sysconf("SC_OPEN_MAX"))


def _require_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        raise ProcessLookupError("the parent is gone")


if __name__ == "__main__":
    main()
