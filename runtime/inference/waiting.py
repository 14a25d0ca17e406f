"""Requests that wait: who goes next, who with whom, who no longer.

Within one priority whoever came first goes first; a higher priority goes before all lower ones.
Only requests with one key share a batch; those with the key None go alone.
"""

import asyncio
from collections import deque
from collections.abc import Hashable, Iterator

from registry import errors
from runtime.inference.asked import Asked, Outcome
from runtime.tuning import Batching, Queue


class Waiting:
    """One request from its arrival to its outcome; times are the scheduler's clock's."""

    __slots__ = (
        "arrived", "asked", "deadline", "future", "is_running", "is_settled", "key", "leaves",
        "level", "rows", "size",
    )  # fmt: skip

    def __init__(self, asked: Asked, key: Hashable, *, rows: int, size: int) -> None:
        self.asked = asked
        self.key = key
        self.rows = rows
        self.size = size
        self.level = 0
        self.arrived = 0
        self.leaves = 0  # the queue, at the latest
        self.deadline = 0
        self.is_running = False
        self.is_settled = False
        self.future: asyncio.Future[Outcome]


class Group:
    """What waits under one key, a line for each priority."""

    __slots__ = ("key", "lines", "rows")

    def __init__(self, key: Hashable, levels: int) -> None:
        self.key = key
        self.lines: tuple[deque[Waiting], ...] = tuple(deque() for _ in range(levels))
        self.rows = 0

    def first(self) -> Waiting:
        """Who goes next; the group is never empty."""
        for line in self.lines:
            if line:
                return line[0]
        raise AssertionError("an empty group is taken out of the queue")

    def oldest(self) -> int:
        """When the one that waits longest arrived, whatever its priority."""
        return min(line[0].arrived for line in self.lines if line)


class Line:
    """All that waits for one version, within the limits of its priorities."""

    __slots__ = ("_batching", "_counts", "_groups", "_limits", "count")

    def __init__(self, batching: Batching | None) -> None:
        self._batching = batching
        self._limits: tuple[Queue, ...] = batching.levels if batching else (Queue(),)
        self._counts = [0] * len(self._limits)
        self._groups: dict[Hashable, Group] = {}
        self.count = 0

    def __iter__(self) -> Iterator[Waiting]:
        for group in self._groups.values():
            for line in group.lines:
                yield from line

    def put(self, one: Waiting) -> None:
        """Raises `Busy` where its priority's queue is full."""
        level = self._level(one.asked.priority)
        limits = self._limits[level]
        if limits.size is not None and self._counts[level] >= limits.size:
            raise errors.Busy(
                f"{self._counts[level]} requests wait already", fix="try again in a moment"
            )
        one.level = level
        if limits.timeout_milliseconds is not None:
            one.leaves = min(one.leaves, one.arrived + limits.timeout_milliseconds * 1_000_000)
        group = self._groups.get(one.key)
        if group is None:
            group = self._groups[one.key] = Group(one.key, len(self._limits))
        group.lines[level].append(one)
        group.rows += one.rows
        self._counts[level] += 1
        self.count += 1

    def remove(self, one: Waiting) -> None:
        """It waits no longer: it left, or its time is over."""
        group = self._groups[one.key]
        group.lines[one.level].remove(one)
        self._took(group, one)

    def next(self, now: int) -> list[Waiting] | int:
        """The members of a batch that is due, or when the next one will be; call it not empty."""
        if len(self._groups) == 1:
            ordered: list[Group] = list(self._groups.values())
        else:
            ordered = sorted(self._groups.values(), key=_urgency)
        soonest = -1
        for group in ordered:
            rows, due = self._due(group, now)
            if rows:
                return self._taken(group, rows)
            soonest = due if soonest < 0 else min(soonest, due)
        return soonest

    def _due(self, group: Group, now: int) -> tuple[int, int]:
        """How many rows go now, and if none when."""
        batching = self._batching
        if batching is None or group.key is None:
            return 1, 0
        rows = min(group.rows, batching.max_batch_size)
        for size in reversed(batching.preferred_sizes):
            if size <= rows:
                return size, 0
        due = group.oldest() + batching.delay_microseconds * 1000
        if rows == batching.max_batch_size or now >= due:
            return rows, 0
        return 0, due

    def _taken(self, group: Group, rows: int) -> list[Waiting]:
        """The first always goes, however many rows it has; nobody overtakes within a priority."""
        found: list[Waiting] = []
        room = rows
        for line in group.lines:
            while line and (not found or (line[0].rows <= room and group.key is not None)):
                one = line.popleft()
                found.append(one)
                room -= one.rows
                self._took(group, one)
            if line and found:
                break
        return found

    def _took(self, group: Group, one: Waiting) -> None:
        group.rows -= one.rows
        self._counts[one.level] -= 1
        self.count -= 1
        if not any(group.lines):
            del self._groups[group.key]

    def _level(self, priority: int) -> int:
        """As in Triton, a priority that there is not is the default one."""
        if self._batching is None or not self._batching.priorities:
            return 0
        if not 1 <= priority <= len(self._limits):
            priority = self._batching.default_priority
        return priority - 1


def _urgency(group: Group) -> tuple[int, int]:
    first = group.first()
    return first.level, first.arrived


def late(one: Waiting, when: int) -> errors.WaitTimedOut:
    """What it is told whose time was over at `when`."""
    milliseconds = (when - one.arrived) // 1_000_000
    if when < one.deadline:
        return errors.WaitTimedOut(f"waited {milliseconds} ms in the queue, which is its limit")
    return errors.WaitTimedOut(f"no answer within {milliseconds / 1000:g} seconds")
