"""What each version took of memory when it was loaded here, so that the next load knows before.

One small file for each, beside the cache and shared like it. A number here is a hint, never a
proof: what cannot be read is not known, and a file that is removed is measured again.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from registry import errors
from registry.core import canonical, fields
from runtime import durable, memory
from runtime.memory import Needed

# Of files' size, before anything was measured: docs/runtime/backends.md has what was.
_ESTIMATE_PERCENT = 115
_EVERY_SECONDS = 0.02
_LARGEST = 2**50


def key(digest: str, isolation: str, weights: str) -> str:
    """A version in a process of its own, or with its weights mapped, takes another amount."""
    return f"{digest.removeprefix('sha256:')}.{isolation}.{weights}"


class Costs:
    """Keyed by the version's digest and by how it is opened. Several runtimes may use one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def needed(self, key: str, *, files: int) -> Needed:
        """What opening it will take; `files` is the size of its files."""
        known = self._read(key)
        if known is None:
            return Needed(files * _ESTIMATE_PERCENT // 100, "by the size of its files")
        return Needed(known, "as at an earlier load")

    def shortage(self, key: str, *, files: int, limit: int = 0) -> str:
        """Why it would not fit now, see `memory.shortage`; reads a dozen small files."""
        return memory.shortage(self.needed(key, files=files), limit=limit)

    def remember(self, key: str, size: int) -> None:
        """The most that was seen stands: memory that was given back lately makes a load look
        cheaper than it is. Without room on the disk it is not known next time."""
        known = self._read(key)
        if known is None or size > known:
            try:
                durable.replace(self._folder / key, canonical.encode({"bytes": size}))
            except OSError:
                return

    def digests(self) -> set[str]:
        """Of whom something is known."""
        return durable.stems(self._folder)

    def forget(self, digest: str) -> None:
        """Drop what is known of a version that is not in the cache any more."""
        durable.forget(self._folder, digest)

    def _read(self, key: str) -> int | None:
        try:
            document = canonical.decode_object((self._folder / key).read_bytes(), what=key)
            size = fields.integer(document, "bytes", what=key)
        except (OSError, errors.InvalidInput):
            return None
        return size if 0 <= size <= _LARGEST else None


@dataclass(slots=True)
class Weight:
    """`size` is what was taken at the most; None where other loads went on at the same time."""

    size: int | None = None


class Scales:
    """Weighs what this process and its children load on other threads. Used on the event loop,
    which it keeps from nothing: what may block runs on the threads of an `engine`."""

    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        self._begun = 0
        self._under_way = 0

    @asynccontextmanager
    async def weighing(self, key: str, engine: Executor) -> AsyncIterator[Weight]:
        """The weight is known and remembered at the end of the block, if that ends well."""
        self._begun += 1
        self._under_way += 1
        number, is_alone = self._begun, self._under_way == 1
        found, loop = Weight(), asyncio.get_running_loop()
        watching = _Watching()
        try:
            await loop.run_in_executor(engine, watching.begin)
            yield found
        finally:
            self._under_way -= 1
            most = await loop.run_in_executor(engine, watching.finish)
        if is_alone and self._begun == number:
            found.size = most
            await loop.run_in_executor(engine, self._costs.remember, key, most)


class _Watching:
    """The most that is taken more than at the start, looked at every moment."""

    def __init__(self) -> None:
        self._start, self._most = 0, 0
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="weigh", daemon=True)

    def begin(self) -> None:
        self._start = memory.anonymous()
        self._thread.start()

    def finish(self) -> int:
        self._enough.set()
        if self._thread.ident is not None:  # begun
            self._thread.join()
            self._look()
        return self._most

    def _watch(self) -> None:
        while not self._enough.wait(_EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        self._most = max(self._most, memory.anonymous() - self._start)
