"""Somebody who listens to an engine, for tests to ask what was heard."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.engines import wire
from reconciler.engines.protocol import Engine


class Heard:
    """What an engine told, as it came."""

    def __init__(self, engine: Engine) -> None:
        self.words: list[str] = []
        self._changes = engine.changes()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        self.words.extend(self._changes)

    def within(self, seconds: float, word: str) -> bool:
        return wire.until(lambda: any(word in one for one in self.words), timeout=seconds)

    def ends(self, seconds: float) -> bool:
        """Whether the connection does, by itself."""
        self._thread.join(seconds)
        self._changes.close()
        return not self._thread.is_alive()

    def close(self) -> bool:
        """Whether the iteration ended."""
        self._changes.close()
        return self.ends(60)


@contextmanager
def hearing(engine: Engine) -> Iterator[Heard]:
    heard = Heard(engine)
    try:
        yield heard
    finally:
        assert heard.close()
