"""Threads that stand back for the event loop: those of engines and of loaders.

A run of a heavy model takes all cores for milliseconds; with the same rights a small model's
request waits for a turn behind it. Threads that such a thread starts stand back like it.
"""

import os
import threading
from contextlib import suppress

_BEHIND = 5  # of a third of the loop's weight; between processes of one host it counts the same


def stand_back() -> None:
    """Called in the thread; nobody needs rights to give way."""
    thread = threading.get_native_id()
    with suppress(OSError):  # a system where a thread has no number of its own
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _BEHIND)
