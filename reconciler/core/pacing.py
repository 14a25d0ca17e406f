"""How often a host is put right: at once the first time, then ever later, then not any more. Pure.

A crash loop is the version's own doing. Flapping is somebody else's: a container that is paused,
removed or changed again each time it was mended is not to be outrun, but its enemy to be found.
"""

from typing import TypeAlias

from reconciler.core import actions
from reconciler.core.actions import Wait
from reconciler.core.reasons import Reason, Why
from reconciler.core.seat import CRASH_LOOP_RESTARTS, RESTART_WINDOW_S, Seat

REPAIRS = frozenset({Why.VANISHED, Why.NOT_ROUTED, Why.INGRESS_DOWN, Why.DRIFTED})

Repair: TypeAlias = actions.Start | actions.RouteTo | actions.Restart | actions.Renew


def paced(seat: Seat, step: actions.Restart | actions.Renew) -> Repair | Wait:
    """`step` at once the first time, then after 2, 4, 8 s; not at all in a crash loop."""
    times = seat.recent_restarts(step.instance)
    if len(times) >= CRASH_LOOP_RESTARTS and step.reason.code is not Why.DRIFTED:
        text = f"{step.reason.text}, after {len(times)} restarts lately"
        return _wait(seat, Reason(Why.CRASH_LOOP, text), times[0] + RESTART_WINDOW_S)
    return _unless_flapping(seat, step, times)


def guarded(seat: Seat, step: actions.Start | actions.RouteTo) -> Repair | Wait:
    """Paced alike, where `step` undoes what somebody did; a rollback never waits."""
    if step.reason.code not in REPAIRS:
        return step
    return _unless_flapping(seat, step, seat.recent_restarts(actions.key(step)))


def _unless_flapping(seat: Seat, step: Repair, times: list[float]) -> Repair | Wait:
    if len(times) >= CRASH_LOOP_RESTARTS:
        text = f"{step.reason.text}; put right {len(times)} times lately, it is changed again"
        found = f"{text}: find what else on {seat.host} does it"
        return _wait(seat, Reason(Why.FLAPPING, found), times[0] + RESTART_WINDOW_S)
    until = times[-1] + 2.0 ** len(times) if times else 0.0
    return _wait(seat, step.reason, until) if seat.now < until else step


def _wait(seat: Seat, why: Reason, until: float) -> Wait:
    return Wait(seat.deployment, seat.host, why, until)
