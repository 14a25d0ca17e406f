"""Refusals on their way into the log: counted, and entered together, once a minute at most.

So whoever is refused a million times makes one entry, with the number. A request that shows no
credential is no attempt and is not counted here; addresses are in the process's own log alone.
"""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from registry.core import entries
from registry.core.canonical import Json
from registry.db import log as log_rows
from registry.usecases import log
from registry.usecases.opening import Registry

_ACTOR = "registry:access"
_MOST = 100


@dataclass(frozen=True, slots=True)
class Refusal:
    """Who (`unknown` where nobody was recognised) was refused what, and with which error code."""

    actor: str
    code: str
    route: str


class Refusals:
    """Of one process. Past `_MOST` different ones in a minute, the others are but a number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Refusal, int] = {}
        self._others = 0
        self._since = ""

    def note(self, refusal: Refusal) -> None:
        with self._lock:
            if not self._since:
                self._since = log.stamp(datetime.now(UTC))
            if refusal in self._counts or len(self._counts) < _MOST:
                self._counts[refusal] = self._counts.get(refusal, 0) + 1
            else:
                self._others += 1

    def record(self, registry: Registry) -> bool:
        """Enter what was counted since the last time; says whether there was anything.

        Where the log cannot be written it is counted on, and entered later.
        """
        with self._lock:
            counts, others, since = dict(self._counts), self._others, self._since
        if not counts:
            return False
        now = datetime.now(UTC)
        entry = entries.Entry(
            time=log.stamp(now),
            kind=entries.Kind.ACCESS_REFUSED,
            actor=_ACTOR,
            detail=_detail(counts, others, since),
        )
        with registry.database.writing() as session:
            log_rows.locked_head(session)
            log.append(session, registry, entry, now=now)
            session.commit()
        self._take_off(counts, others)
        return True

    def _take_off(self, counts: dict[Refusal, int], others: int) -> None:
        with self._lock:
            for refusal, count in counts.items():
                left = self._counts[refusal] - count
                if left:
                    self._counts[refusal] = left
                else:
                    del self._counts[refusal]
            self._others -= others
            self._since = log.stamp(datetime.now(UTC)) if self._counts else ""


def _detail(counts: dict[Refusal, int], others: int, since: str) -> dict[str, Json]:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0].actor, item[0].route))
    told: list[Json] = [
        {"actor": one.actor, "code": one.code, "route": one.route, "count": count}
        for one, count in most
    ]
    detail: dict[str, Json] = {"since": since, "refused": told}
    if others:
        detail["others"] = others
    return detail
