"""Group commit: what several threads want written at the same moment is written in one go.

A thread of its own writes what waits, and then what has come meanwhile. Alone, a caller waits for
nobody; together, callers share one transaction, one signature and one sync.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeAlias, TypeVar

from registry import errors

Item = TypeVar("Item")
Result = TypeVar("Result")
# Writes all items and gives each its result or its own error; what it raises meets all of them.
Write: TypeAlias = Callable[[Sequence[Item]], Sequence[Result | errors.PlimsollError]]

_MOST = 256


class Together(Generic[Item, Result]):
    """One for each kind of thing that is written; safe from any number of threads."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Item, Future[Result]]] = []
        self._lock = threading.Lock()
        self._is_writing = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="together")

    def put(self, item: Item, write: Write[Item, Result]) -> Result:
        """The result for `item` once it is written; raises what befell it."""
        mine: Future[Result] = Future()
        with self._lock:
            self._waiting.append((item, mine))
            is_first, self._is_writing = not self._is_writing, True
        if is_first:
            self._writer.submit(self._write_all, write)
        return mine.result()

    def _write_all(self, write: Write[Item, Result]) -> None:
        """Until nobody waits any more: who comes meanwhile is in the next group."""
        while taken := self._taken():
            self._write(taken, write)

    def _taken(self) -> list[tuple[Item, Future[Result]]]:
        with self._lock:
            taken, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            self._is_writing = bool(taken)
            return taken

    def _write(self, taken: list[tuple[Item, Future[Result]]], write: Write[Item, Result]) -> None:
        try:
            results = write([item for item, _ in taken])
        except BaseException as error:  # noqa: BLE001  each caller raises it for himself
            for _, future in taken:
                future.set_exception(error)
            return
        for (_, future), result in zip(taken, results, strict=True):
            if isinstance(result, errors.PlimsollError):
                future.set_exception(result)
            else:
                future.set_result(result)
