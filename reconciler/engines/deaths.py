"""The one thing that happens to a local process by itself, told at once: that it ends."""

import os
import select
import weakref
from collections.abc import Callable, Iterator

_LOOK_S = 0.5


class Deaths:
    """Each end, from now on, of the process that `pid` names; the next one is looked for.

    A process need not be our child: the kernel tells whoever holds a descriptor of it.
    """

    def __init__(self, pid: Callable[[], int | None]) -> None:
        self._pid = pid
        self._first = pid()
        self._closing = os.eventfd(0, os.EFD_CLOEXEC)
        # No sooner: its number would be another file's while somebody may still close us.
        weakref.finalize(self, os.close, self._closing)

    def __iter__(self) -> Iterator[str]:
        pid = self._first
        while not self._is_closed(0):
            if pid is None:
                self._is_closed(_LOOK_S)
            elif self._has_ended(pid):
                yield f"process {pid} ended"
            pid = self._pid()

    def close(self) -> None:
        os.eventfd_write(self._closing, 1)

    def _has_ended(self, pid: int) -> bool:
        """Wait for its end; False when we are closed before."""
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        try:
            ready, _, _ = select.select([process, self._closing], [], [])
            return process in ready
        finally:
            os.close(process)

    def _is_closed(self, pause: float) -> bool:
        return bool(select.select([self._closing], [], [], pause)[0])
