"""When rollouts of a project may begin: its windows, and when the next one opens. Pure.

A deny window that is open closes everything; else, where there are allow windows, one of them must
be open. That is all they do: what has begun goes on, and the way back is never closed.
"""

import functools
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from reconciler.core.kinds import project as kind
from reconciler.core.projects import cron, globs
from registry.core import strict

# A year ahead, or so many openings and closings, whatever comes first.
_HORIZON_S = 366 * 86400.0
_MOST_STEPS = 400
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """One window as it stands in a project, for one of its environments."""

    denies: bool
    schedule: str
    duration: float
    zone: str
    manual: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Open:
    """Rollouts may begin."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Rollouts wait `until` then (None: for longer than a year), because of `why`. What a person
    asks for does not, where it is `manual`."""

    why: str
    until: float | None
    manual: bool


State: TypeAlias = Open | Closed


def of(listed: Sequence[kind.Window], environment: str) -> tuple[Window, ...]:
    """Those of `listed` that are about `environment`."""
    return tuple(
        Window(
            window.kind == "deny",
            window.schedule,
            float(strict.duration_seconds(window.duration)),
            window.time_zone,
            window.manual_sync,
            window.reason,
        )
        for window in listed
        if window.environments is None or globs.any_fits(window.environments, environment)
    )


def state(windows: tuple[Window, ...], now: float) -> State:
    """Whether rollouts may begin at `now`, and when they may if not. Asked in every round, so what
    was found is kept for the minute: schedules know no shorter time."""
    return _state(windows, now // _MINUTE_S * _MINUTE_S) if windows else Open()


@functools.lru_cache(maxsize=4096)
def _state(windows: tuple[Window, ...], now: float) -> State:
    barring = _barring(windows, now)
    if barring is None:
        return Open()
    until = _opening(windows, now)
    manual = all(window.manual for window in barring)
    return Closed(_words(barring, until), until, manual)


def _barring(windows: tuple[Window, ...], now: float) -> tuple[Window, ...] | None:
    """Those that close everything now: deny windows that are open, or else allow windows that all
    are not. None where rollouts may begin."""
    denying = tuple(one for one in windows if one.denies and _end(one, now) is not None)
    if denying:
        return denying
    allowing = tuple(one for one in windows if not one.denies)
    if not allowing or any(_end(one, now) is not None for one in allowing):
        return None
    return allowing


def _opening(windows: tuple[Window, ...], now: float) -> float | None:
    at = now
    for _ in range(_MOST_STEPS):
        barring = _barring(windows, at)
        if barring is None:
            return at
        ends = [end for window in barring if (end := _end(window, at)) is not None]
        at = max(ends) if ends else min(_next(window, at) for window in barring)
        if at > now + _HORIZON_S:
            return None
    return None


def _end(window: Window, now: float) -> float | None:
    """When a window that is open now closes; None where it is not open."""
    length = window.duration
    come = cron.last(_schedule(window.schedule), _zone(window.zone), now, within=length)
    return None if come is None or come + length <= now else come + length


def _next(window: Window, now: float) -> float:
    return cron.after(_schedule(window.schedule), _zone(window.zone), now)


_schedule = functools.lru_cache(maxsize=1024)(cron.parse)
_zone = functools.lru_cache(maxsize=1024)(zoneinfo.ZoneInfo)


def _words(barring: tuple[Window, ...], until: float | None) -> str:
    zone = _zone(barring[0].zone)
    reasons = "; ".join(dict.fromkeys(window.reason for window in barring if window.reason))
    what = "a deny window is open" if barring[0].denies else "no allow window is open"
    said = f"{what} ({reasons})" if reasons else what
    if until is None:
        return f"{said}, and rollouts may not begin within a year"
    at = datetime.fromtimestamp(until, UTC).astimezone(zone)
    return f"{said}; rollouts may begin from {at:%Y-%m-%d %H:%M} {barring[0].zone}"
