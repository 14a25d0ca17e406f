"""Work that no host waits for: an analysis that is slow must not hold up a rollback."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_WORKERS, _EACH = 32, 8


class Beside:
    """One piece of work at a time for each name, a few names at once, fewer still of one group: a
    rollout to many hosts leaves room for those of others.

    Used by one thread; `done` is called by those of the work, after each piece.
    """

    def __init__(self, done: Callable[[], object]) -> None:
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="beside")
        self._running: dict[str, Future[None]] = {}
        self._groups: dict[str, str] = {}
        self._done = done

    def begin(self, name: str, work: Callable[[], None], *, group: str) -> bool:
        """Start `work`; False while that of this name, or too much of its group, is still under
        way. What went wrong in work that has ended is raised here."""
        ended = [one for one, future in self._running.items() if future.done()]
        for one in ended:
            del self._groups[one]
            self._running.pop(one).result()
        if name in self._running or list(self._groups.values()).count(group) >= _EACH:
            return False
        self._groups[name] = group
        future = self._workers.submit(work)
        self._running[name] = future
        future.add_done_callback(lambda _: self._done())
        return True

    def running(self) -> list[str]:
        """The names of what is under way."""
        return [name for name, future in self._running.items() if not future.done()]

    def close(self) -> None:
        """Wait for what runs now, which is bounded; begin nothing that waits."""
        self._workers.shutdown(wait=True, cancel_futures=True)
