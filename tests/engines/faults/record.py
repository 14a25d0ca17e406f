"""Who changed what on which host, and when; and whether the registry's log tells all of it.

A change can be held up before it begins, so that a fault comes at a moment that is known.
"""

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from reconciler.core.observed import InstanceSpec, Route
from reconciler.engines.protocol import Engine
from registry.core.entries import Entry, Kind

_TOLD = {
    "start": (Kind.STARTING, Kind.STARTED),
    "route": (Kind.DEPLOYING, Kind.DEPLOYED),
    "remove": (Kind.REMOVED,),
    "restart": (Kind.RESTARTED,),
    "renew": (Kind.RESTARTED,),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One call that may change something, from its begin to its end; `subject` is an instance,
    and `digest` what it serves, where the call says so."""

    writer: str
    host: str
    what: str
    subject: str
    digest: str
    begin: float
    end: float
    is_done: bool


@dataclass
class Hold:
    """Calls of `what` on `host` wait for `is_over`; `is_reached` is set once one does."""

    host: str
    what: str
    is_reached: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)

    def keep(self) -> None:
        self.is_reached.set()
        assert self.is_over.wait(300), f"{self.what} on {self.host} was held up for ever"


class Watched:
    """An engine whose changes are written to `changes`, whether they succeed or not, and held up
    by `holds`. What is asked under a name in `reading` changes nothing."""

    def __init__(
        self,
        engine: Engine,
        *,
        host: str,
        writer: str,
        changes: list[Change],
        holds: Sequence[Hold],
        reading: Collection[str],
    ) -> None:
        self._engine, self._host, self._writer = engine, host, writer
        self._changes, self._holds, self._reading = changes, holds, reading

    def __getattr__(self, name: str) -> object:
        asked = getattr(self._engine, name)
        if name in self._reading or not callable(asked):
            return asked

        def noted(subject: InstanceSpec | Route | str, *others: object) -> object:
            for hold in [one for one in self._holds if (one.host, one.what) == (self._host, name)]:
                hold.keep()
            begin, is_done = time.monotonic(), False
            try:
                answer = asked(subject, *others)
                is_done = True
                return answer
            finally:
                what = name, *_subject(subject), begin, time.monotonic(), is_done
                self._changes.append(Change(self._writer, self._host, *what))

        return noted


def clashes(changes: Sequence[Change]) -> list[tuple[Change, Change]]:
    """Changes of one host that were made at the same time."""
    ordered = sorted(changes, key=lambda one: one.begin)
    pairs = [(a, b) for n, a in enumerate(ordered) for b in ordered[n + 1 :] if b.begin < a.end]
    return [(a, b) for a, b in pairs if a.host == b.host]


def untold(changes: Sequence[Change], log: Sequence[Entry]) -> list[tuple[str, str, Kind]]:
    """Which change of a host, a digest and a kind was made and is not in the log."""
    digests = {one.subject: one.digest for one in changes if one.digest}
    wanted = {
        (one.host, digests[one.subject], kind)
        for one in changes
        for kind in _TOLD.get(one.what, ())
        if one.is_done
    }
    return sorted(wanted - {(one.host, one.digest, one.kind) for one in log})


def _subject(given: InstanceSpec | Route | str) -> tuple[str, str]:
    match given:
        case InstanceSpec():
            return given.name, given.digest
        case Route():
            return given.instance, ""
        case str():
            return given, ""
