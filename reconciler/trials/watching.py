"""Looks at a candidate's memory, again and again, while something else goes on."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from registry import errors

_LOOK_S = 0.2


@contextlib.contextmanager
def watched(memory: Callable[[], int]) -> Iterator[list[int]]:
    """What `memory` says meanwhile, at least once before and once after, if it says anything."""
    seen: list[int] = []
    is_over = threading.Event()
    thread = threading.Thread(target=_watch, args=(memory, seen, is_over), daemon=True)
    _look(memory, seen)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()
        _look(memory, seen)


def _watch(memory: Callable[[], int], seen: list[int], is_over: threading.Event) -> None:
    while not is_over.wait(_LOOK_S):
        _look(memory, seen)


def _look(memory: Callable[[], int], seen: list[int]) -> None:
    """A look that fails is no look: whether there were any is for the budget to judge."""
    with contextlib.suppress(errors.PlimsollError):
        seen.append(memory())
