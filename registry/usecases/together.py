"""Group commit: what several threads want written at the same moment is written in one go.

Whoever finds nobody writing writes for all who wait. Alone, a writer waits for nobody, so one at
a time costs nothing more; together, they share one transaction, one signature and one sync.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
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
        self._turn = threading.Lock()

    def put(self, item: Item, write: Write[Item, Result]) -> Result:
        """The result for `item` once it is written; raises what befell it."""
        mine: Future[Result] = Future()
        with self._lock:
            self._waiting.append((item, mine))
        while not mine.done():
            with self._turn:
                if not mine.done():
                    self._write(self._taken(), write)
        return mine.result()

    def _taken(self) -> list[tuple[Item, Future[Result]]]:
        with self._lock:
            taken, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            return taken

    def _write(self, taken: list[tuple[Item, Future[Result]]], write: Write[Item, Result]) -> None:
        try:
            results = write([item for item, _ in taken])
        except BaseException as error:
            for _, future in taken:
                future.set_exception(error)
            raise
        for (_, future), result in zip(taken, results, strict=True):
            if isinstance(result, errors.PlimsollError):
                future.set_exception(result)
            else:
                future.set_result(result)
