"""Tells the registry of each host what it has and holds, and, where wished, its last log lines.

Beside the rounds: a round says what it has seen, and workers of their own ask engines and tell.
Each host is told about once a minute, with many of them less often; at once, nearly, where an
instance came, went, or does otherwise. Nothing waits for it, and what fails is tried again.
"""

import heapq
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from reconciler import client, ends, lanes, metrics
from reconciler.core import hostreport, kinds
from reconciler.core.observed import HostState
from reconciler.engines.protocol import Engine
from registry import errors

_EVERY_S = 60.0
# So many hosts are told of in a second at most, without a cause and with one.
_STEADY, _HASTY = 10.0, 20.0
# Changes come in bursts, and one report tells of all.
_GATHERING_S = 1.0
_APART_S = 5.0
_WORKERS = 4
_CLOSING_S = 5.0

log = structlog.get_logger()

Signature = tuple[tuple[str, str, str], ...]


class Reporting(Protocol):
    """What the loop tells at each round."""

    def follow(
        self,
        hosts: Mapping[str, kinds.Host],
        observed: Mapping[str, lanes.Look],
        engines: Mapping[str, Engine],
    ) -> None:
        """These are the hosts that are ours now, and how they were seen; waits for nothing."""


class Unreported:
    """Nobody is told."""

    def follow(
        self,
        hosts: Mapping[str, kinds.Host],
        observed: Mapping[str, lanes.Look],
        engines: Mapping[str, Engine],
    ) -> None:
        """Keeps nothing."""


@contextmanager
def beside(known: ends.Known) -> Iterator["HostReports"]:
    """What tells of the hosts of a reconciler or an agent, as its settings say."""
    shown = metrics.Hosts(known.metrics.registry)
    reports = HostReports(known.registry, shown, known.settings.page_logs)
    with closing(reports):
        reports.start()
        yield reports


@dataclass(slots=True)
class _Host:
    """One of ours. `due` is when it is told about next, `told_at` when that was done last."""

    kind: kinds.Host
    engine: Engine
    look: HostState
    due: float
    signature: Signature
    told_at: float = float("-inf")
    is_busy: bool = False
    is_news: bool = False
    before: hostreport.Seen | None = None
    trouble: str = ""


@dataclass(slots=True)
class HostReports:
    """`page_logs` is how many of the last lines of each instance are told, 0 for none."""

    registry: client.Registry
    gauges: metrics.Hosts
    page_logs: int = 0
    watch: Callable[[], float] = time.monotonic
    every_s: float = _EVERY_S
    _hosts: dict[str, _Host] = field(default_factory=dict)
    _queue: list[tuple[float, str]] = field(default_factory=list)
    _next_at: float = float("-inf")
    _is_over: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _workers: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to tell, in threads of our own."""
        for number in range(_WORKERS):
            name = f"host-reports-{number}"
            worker = threading.Thread(target=self._work, name=name, daemon=True)
            worker.start()
            self._workers.append(worker)

    def close(self) -> None:
        """Tell no more. What is being asked of an engine ends by itself."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join(_CLOSING_S)

    def follow(
        self,
        hosts: Mapping[str, kinds.Host],
        observed: Mapping[str, lanes.Look],
        engines: Mapping[str, Engine],
    ) -> None:
        """Called by each round: for hosts on which nothing happened it compares no more than who
        they are."""
        now = self.watch()
        with self._changed:
            for name in self._hosts.keys() - observed.keys():
                del self._hosts[name]
                self.gauges.forget(name)
            for name, look in observed.items():
                if isinstance(look, HostState) and name in hosts and name in engines:
                    self._see(name, hosts[name], engines[name], look, now)

    def _see(
        self, name: str, kind: kinds.Host, engine: Engine, look: HostState, now: float
    ) -> None:
        known = self._hosts.get(name)
        if known is None:
            known = _Host(kind, engine, look, now, hostreport.signature(look))
            self._hosts[name] = known
            self._push(name, known, now)
            return
        known.kind, known.engine = kind, engine
        if look is known.look:
            return
        known.look, said = look, hostreport.signature(look)
        if said != known.signature:
            known.signature, known.is_news = said, True
            due = max(now + _GATHERING_S, known.told_at + _APART_S)
            if not known.is_busy and due < known.due:
                self._push(name, known, due)

    def _push(self, name: str, known: _Host, due: float) -> None:
        known.due = due
        heapq.heappush(self._queue, (due, name))
        self._changed.notify()

    def _work(self) -> None:
        while (name := self._next()) is not None:
            self._tell(name)

    def _next(self) -> str | None:
        """Wait for a host to tell of; None: it is over."""
        with self._changed:
            while not self._is_over:
                now = self.watch()
                at = max(self._queue[0][0], self._next_at) if self._queue else None
                if at is None or at > now:
                    self._changed.wait(None if at is None else at - now)
                    continue
                due, name = heapq.heappop(self._queue)
                known = self._hosts.get(name)
                if known is None or known.is_busy or known.due != due:
                    continue
                known.is_busy, known.is_news = True, False
                self._next_at = now + 1 / _HASTY
                return name
            return None

    def _tell(self, name: str) -> None:
        with self._changed:
            known = self._hosts.get(name)
        if known is None:
            return
        trouble = ""
        look = known.look
        try:
            seen = self._look(known.engine, look)
            said = hostreport.document(
                look, known.kind, seen, known.before, page_logs=self.page_logs
            )
            known.before = seen
            self.gauges.show(name, said)
            self.registry.report_host(name, said)
        except errors.PlimsollError as error:
            trouble = error.detail
            if trouble != known.trouble:
                log.warning("host not reported", host=name, error=trouble)
        known.trouble = trouble
        self._again(name, known)

    def _again(self, name: str, known: _Host) -> None:
        """What changed while it was told about is told soon."""
        now = self.watch()
        every = max(self.every_s, len(self._hosts) / _STEADY)
        with self._changed:
            known.is_busy, known.told_at = False, now
            if self._hosts.get(name) is known:
                self._push(name, known, now + (_APART_S if known.is_news else every))

    def _look(self, engine: Engine, state: HostState) -> hostreport.Seen:
        found = engine.resources()
        lines: dict[str, list[str]] = {}
        if self.page_logs:
            for one in state.instances:
                try:
                    text = engine.logs(one.name, lines=self.page_logs)
                except errors.EngineRefused:  # gone since it was seen
                    continue
                lines[one.name] = text.splitlines()[-self.page_logs :]
        return hostreport.Seen.at(self.watch(), found, lines)
