"""How what is remembered of one deployment on one host changes by one action."""

from dataclasses import replace

from reconciler.core import actions, outcomes, pacing
from reconciler.core.observed import HostState, InstanceSpec, Unreachable
from reconciler.core.rollout import (
    Acceptance,
    Candidate,
    Failure,
    GaveUp,
    HostRollout,
    PreflightResult,
    Restarted,
)
from reconciler.core.seat import RESTART_WINDOW_S, same

_LONGEST_STEP_S = 15.0
_FAILURES_KEPT = 10


def seen(candidate: Candidate, state: HostState | Unreachable | None, now: float) -> Candidate:
    if not isinstance(state, HostState):
        return replace(candidate, seen_at=now)
    step = min(max(now - candidate.seen_at, 0.0), _LONGEST_STEP_S)
    return replace(candidate, seen_at=now, waited=candidate.waited + step)


def starting(facts: HostRollout, action: actions.Start, now: float) -> HostRollout:
    """A last known good that starts again is no candidate: it was tested when it became good."""
    known = facts.candidate
    if same(facts.last_good, action.spec):
        return facts
    if known and same(known.spec, action.spec) and known.revision == action.revision:
        return facts
    fresh = Candidate(spec=action.spec, revision=action.revision, since=now, seen_at=now)
    return replace(facts, candidate=fresh)


def restarting(facts: HostRollout, instance: str, now: float) -> HostRollout:
    recent = [known for known in facts.restarts if now - RESTART_WINDOW_S < known.at <= now]
    return replace(facts, restarts=(*recent, Restarted(instance, now)))


def routed(facts: HostRollout, spec: InstanceSpec, now: float) -> HostRollout:
    known = facts.candidate
    if known is None or not same(known.spec, spec):
        return facts
    return replace(facts, candidate=replace(known, routed_at=now))


def removing(facts: HostRollout, instance: str) -> HostRollout:
    """Before it is gone: whoever dies over it must not take it for one that vanished by itself."""
    is_candidate = facts.candidate is not None and facts.candidate.spec.name == instance
    return replace(facts, candidate=None) if is_candidate else facts


def left(facts: HostRollout, wanted: InstanceSpec) -> HostRollout:
    """Once Git asks for `wanted`: a candidate of something else is of no rollout any more."""
    known = facts.candidate
    if known is None or known.is_of(wanted):
        return facts
    return replace(facts, candidate=replace(known, revision=""))


def given_up(facts: HostRollout, action: actions.GiveUp, now: float) -> HostRollout:
    mark = GaveUp(action.revision, action.reason.code, action.reason.text, now)
    return replace(facts, gave_up=mark)


def after(
    facts: HostRollout,
    action: actions.HostAction,
    outcome: outcomes.Outcome,
    now: float,
) -> HostRollout:
    key = actions.key(action)
    before = facts.failure_of(key)
    others = tuple(failure for failure in facts.failures if failure.action != key)
    if isinstance(outcome, outcomes.Failed):
        failed = failure(before, action, outcome, now)
        return replace(facts, failures=(*others[-_FAILURES_KEPT:], failed))
    return _succeeded(replace(facts, failures=others), action, outcome, now)


def _succeeded(
    facts: HostRollout,
    action: actions.HostAction,
    outcome: outcomes.Outcome,
    now: float,
) -> HostRollout:
    match action:
        case actions.Preflight():
            facts = _preflighted(facts, action.spec, outcome, now)
        case actions.Accept():
            facts = _tested(facts, action, outcome, now)
        case actions.RouteTo():
            facts = _repaired(routed(facts, action.spec, now), action, now)
        case actions.Start():
            facts = _repaired(facts, action, now)
        case (
            actions.Remove()
            | actions.Restart()
            | actions.Renew()
            | actions.Measure()
            | actions.Shift()
            | actions.Unroute()
        ):
            pass
    return facts


def _repaired(
    facts: HostRollout, action: actions.Start | actions.RouteTo, now: float
) -> HostRollout:
    """What undid somebody's change is counted, so that nobody is answered without end."""
    if action.reason.code not in pacing.REPAIRS:
        return facts
    return restarting(facts, actions.key(action), now)


def _preflighted(
    facts: HostRollout, spec: InstanceSpec, outcome: outcomes.Outcome, now: float
) -> HostRollout:
    if not isinstance(outcome, outcomes.Preflighted):
        return facts
    result = PreflightResult(
        spec_hash=spec.spec_hash,
        policies=outcome.policies,
        verdict=outcome.verdict,
        reasons=outcome.reasons,
        at=now,
    )
    return replace(facts, preflight=result)


def _tested(
    facts: HostRollout, action: actions.Accept, outcome: outcomes.Outcome, now: float
) -> HostRollout:
    known = facts.candidate
    if known is None or not same(known.spec, action.spec) or known.revision != action.revision:
        return facts
    if not isinstance(outcome, outcomes.Tested):
        return facts
    result = Acceptance(passed=outcome.passed, reasons=outcome.reasons, at=now)
    return replace(facts, candidate=replace(known, acceptance=result))


def failure(
    before: Failure | None, action: actions.Action, outcome: outcomes.Failed, now: float
) -> Failure:
    key = actions.key(action)
    count = before.count + 1 if before is not None and before.action == key else 1
    return Failure(action=key, count=count, at=now, detail=outcome.detail)
