"""One deployment's whole chain: every version that it served, and every entry that led there."""

from collections.abc import Iterable
from dataclasses import dataclass

from registry.core.audit import answers, timeline
from registry.core.audit.answers import Answer, History, Logged
from registry.core.audit.check import Recorded
from registry.core.audit.timeline import Interval, State


@dataclass(frozen=True, slots=True)
class Chapter:
    """One version: the answer where it first began to serve (or was announced), and where else."""

    first: Answer
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """`chapters` are the versions, newest first; `entries` all of them, in the log's order.

    `end` is the time that the log's last entry claims; `size` how many entries the log has.
    """

    deployment: str
    size: int
    end: str
    now: tuple[Answer, ...]
    intervals: tuple[Interval, ...]
    chapters: tuple[Chapter, ...]
    entries: tuple[Logged, ...]


class Collector:
    """Takes a checked log entry by entry."""

    def __init__(self, deployment: str) -> None:
        self._deployment = deployment
        self._history = History()
        self._own: dict[int, Logged] = {}
        self._end = ""

    def add(self, recorded: Recorded) -> None:
        """The next entry."""
        self._history.add(recorded)
        self._end = recorded.entry.time
        if recorded.entry.deployment == self._deployment:
            self._own[recorded.index] = answers.logged(recorded)

    def chain(self) -> Chain:
        """What the entries so far say of the deployment."""
        ours = [
            one for one in self._history.timeline.intervals if one.deployment == self._deployment
        ]
        size = self._history.size
        return Chain(
            self._deployment,
            size,
            self._end,
            now=tuple(
                one for one in self._history.at(size) if one.interval.deployment == self._deployment
            ),
            intervals=tuple(ours),
            chapters=tuple(self._chapters(ours)),
            entries=tuple(self._entries(ours)),
        )

    def _chapters(self, ours: list[Interval]) -> Iterable[Chapter]:
        by_digest: dict[str, list[Interval]] = {}
        for interval in timeline.served(ours):
            by_digest.setdefault(interval.digest, []).append(interval)
        for intervals in reversed(by_digest.values()):
            first = intervals[0]
            size = first.since.index + 1 if first.since else 0
            yield Chapter(self._history.answer(first, State.SERVING, size), tuple(intervals))

    def _entries(self, ours: list[Interval]) -> list[Logged]:
        found = dict(self._own)
        for digest in {one.digest for one in ours}:
            for one in self._history.about(digest):
                if one.entry.deployment in {"", self._deployment}:
                    found[one.index] = one
        return [found[index] for index in sorted(found)]
