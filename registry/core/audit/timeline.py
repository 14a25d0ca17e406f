"""What served where, from when to when: the log's entries reduced to intervals.

The order of the log rules; times are what entries claim. An interval begins with the entry that
says traffic was switched and ends with the next such entry for the same deployment and host, or
with the removal of what served. Before it lies what was announced and not yet confirmed: in
between, either of the two may have served. Adding entries one by one, the state after any
prefix is the state at that point of the log.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from registry.core import trustroot
from registry.core.entries import Entry, Kind
from registry.errors import InvalidInput

_BEGINS = frozenset({Kind.DEPLOYED, Kind.ROLLED_BACK})


class State(StrEnum):
    """How an interval stood at a point of the log."""

    SERVING = "serving"
    ANNOUNCED = "announced"


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry of the log: where it stands, and the time that it claims."""

    index: int
    time: str


@dataclass(frozen=True, slots=True)
class Interval:
    """One version in one place. `since` is None where it was announced and never confirmed,
    `until` where nothing ended it. `instance` is empty where the log does not name it."""

    deployment: str
    host: str
    model: str
    version: int
    digest: str
    commit: str
    reason: str
    instance: str
    announced: Mark | None
    since: Mark | None
    until: Mark | None

    @property
    def place(self) -> tuple[str, str]:
        """Where: one deployment on one host serves one version at a time."""
        return self.deployment, self.host

    def state(self, size: int) -> State | None:
        """How it stood when the log had `size` entries; None: not at all."""
        if self.until is not None and self.until.index < size:
            return None
        if self.since is not None and self.since.index < size:
            return State.SERVING
        if self.announced is not None and self.announced.index < size:
            return State.ANNOUNCED
        return None


class Timeline:
    """All intervals of the entries added so far, in the order in which they began."""

    def __init__(self) -> None:
        self._all: list[Interval] = []
        self._serving: dict[tuple[str, str], int] = {}
        self._announced: dict[tuple[str, str], int] = {}

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """Confirmed and announced ones."""
        return tuple(self._all)

    def add(self, index: int, entry: Entry) -> None:
        """The next entry, which stands at `index`."""
        place = (entry.deployment, entry.host)
        mark = Mark(index, entry.time)
        if entry.kind is Kind.DEPLOYING:
            self._announce(place, entry, mark)
        elif entry.kind in _BEGINS:
            self._begin(place, entry, mark)
        elif entry.kind is Kind.REMOVED:
            self._end(self._serving, place, entry, mark)
            self._end(self._announced, place, entry, mark)

    def _announce(self, place: tuple[str, str], entry: Entry, mark: Mark) -> None:
        for known in (self._serving.get(place), self._announced.get(place)):
            # A retry after a crash announces again what it had announced, or done.
            if known is not None and _is_same(self._all[known], entry):
                return
        self._close(self._announced, place, mark)
        self._announced[place] = self._open(entry, announced=mark, since=None)

    def _begin(self, place: tuple[str, str], entry: Entry, mark: Mark) -> None:
        known = self._serving.get(place)
        if known is not None and _is_same(self._all[known], entry):
            return
        self._close(self._serving, place, mark)
        announced = self._announced.get(place)
        if announced is not None and _is_same(self._all[announced], entry):
            del self._announced[place]
            self._all[announced] = replace(
                self._all[announced], since=mark, reason=entry.reason, instance=_instance(entry)
            )
            self._serving[place] = announced
            return
        self._close(self._announced, place, mark)
        self._serving[place] = self._open(entry, announced=None, since=mark)

    def _end(
        self, where: dict[tuple[str, str], int], place: tuple[str, str], entry: Entry, mark: Mark
    ) -> None:
        known = where.get(place)
        if known is None or self._all[known].digest != entry.digest:
            return
        names = {self._all[known].instance, _instance(entry)}
        if "" in names or len(names) == 1:
            self._close(where, place, mark)

    def _close(self, where: dict[tuple[str, str], int], place: tuple[str, str], mark: Mark) -> None:
        known = where.pop(place, None)
        if known is not None:
            self._all[known] = replace(self._all[known], until=mark)

    def _open(self, entry: Entry, *, announced: Mark | None, since: Mark | None) -> int:
        self._all.append(
            Interval(
                entry.deployment, entry.host, entry.model, entry.version, entry.digest,
                entry.commit, entry.reason, _instance(entry), announced, since, None,
            )
        )  # fmt: skip
        return len(self._all) - 1


class Clock:
    """Where in the log a moment lies: behind every entry up to the first that claims a later time.

    `size` is how many entries that are. Where the registry's clock once went back, entries behind
    that point claim earlier times: `late` is the last such, and the answer is as uncertain as
    they are.
    """

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._seen = 0
        self._cut: int | None = None
        self.late: int | None = None

    @property
    def size(self) -> int:
        """The entries before the moment."""
        return self._seen if self._cut is None else self._cut

    def see(self, index: int, time: str) -> None:
        """The next entry's time; one that is none of ours moves nothing."""
        self._seen = index + 1
        moment = moment_of(time)
        if moment is None:
            return
        if moment > self._at:
            self._cut = index if self._cut is None else self._cut
        elif self._cut is not None:
            self.late = index


def moment_of(time: str) -> datetime | None:
    """The instant that an entry claims; None where it is not RFC 3339."""
    try:
        return trustroot.instant(time, what="time")
    except InvalidInput:
        return None


def served(intervals: Iterable[Interval]) -> list[Interval]:
    """Those that were confirmed, by when they began to serve."""
    confirmed = [(one.since.index, one) for one in intervals if one.since is not None]
    return [one for _, one in sorted(confirmed, key=lambda pair: pair[0])]


def _is_same(known: Interval, entry: Entry) -> bool:
    return (known.model, known.version, known.digest, known.commit) == (
        entry.model,
        entry.version,
        entry.digest,
        entry.commit,
    )


def _instance(entry: Entry) -> str:
    named = entry.detail.get("instance")
    return named if isinstance(named, str) else ""
