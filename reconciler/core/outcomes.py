"""How memory changes: before an effect, after it, and with each look. Pure, and safe to repeat.

The loop saves the result of `intend` before it performs an action and that of `conclude`
after it. A crash in between leaves the intent, and the next plan finds its way from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from reconciler.core import actions, rollout
from reconciler.core.observed import HostState, InstanceSpec, Unreachable
from reconciler.core.rollout import (
    NO_ROLLOUT,
    Acceptance,
    Candidate,
    Failure,
    HostRollout,
    PreflightResult,
    Quarantined,
    Restarted,
    Rollout,
    Rollouts,
)
from reconciler.core.seat import RESTART_WINDOW_S, same

_LONGEST_STEP_S = 15.0
_QUARANTINES_KEPT = 50
_FAILURES_KEPT = 10


@dataclass(frozen=True, slots=True)
class Done:
    """The action took effect; `detail` is the branch of a `PushRevert`."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The action may or may not have taken effect, and may be tried again."""

    detail: str


@dataclass(frozen=True, slots=True)
class Preflighted:
    """The outcome of a `Preflight`; `policies` is `DesiredState.policies_digest`."""

    policies: str
    verdict: rollout.Verdict
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tested:
    """The outcome of an `Accept` that ran to its end."""

    passed: bool
    reasons: tuple[str, ...] = ()


Outcome: TypeAlias = Done | Failed | Preflighted | Tested


def intend(rollouts: Rollouts, action: actions.Action, now: float) -> Rollouts:
    """What to remember before `action` is performed."""
    match action:
        case actions.Start():
            return _edit(rollouts, action, lambda facts: _starting(facts, action, now))
        case actions.Restart() | actions.Renew():
            return _edit(rollouts, action, lambda facts: _restarting(facts, action.instance, now))
        case actions.RouteTo():
            return _edit(rollouts, action, lambda facts: _routed(facts, action.spec, now))
        case (
            actions.Preflight()
            | actions.Accept()
            | actions.Unroute()
            | actions.Remove()
            | actions.Settle()
            | actions.Forget()
            | actions.Quarantine()
            | actions.PushRevert()
        ):
            return rollouts


def conclude(rollouts: Rollouts, action: actions.Action, outcome: Outcome, now: float) -> Rollouts:
    """What to remember after `action` ended with `outcome`."""
    match action:
        case actions.Quarantine():
            return _quarantine(rollouts, action, now)
        case actions.PushRevert():
            return _reverted(rollouts, action, outcome, now)
        case actions.Forget():
            return _forget(rollouts, action)
        case actions.Settle():
            return _settle(rollouts, action)
        case (
            actions.Preflight()
            | actions.Start()
            | actions.Restart()
            | actions.Renew()
            | actions.Accept()
            | actions.RouteTo()
            | actions.Unroute()
            | actions.Remove()
        ):
            return _edit(rollouts, action, lambda facts: _after(facts, action, outcome, now))


def look(
    rollouts: Rollouts, observed: Mapping[str, HostState | Unreachable], now: float
) -> Rollouts:
    """Let the deadlines of candidates run on for as long as their hosts are seen."""
    changed = dict(rollouts)
    for deployment, known in rollouts.items():
        hosts = {
            host: replace(facts, candidate=_seen(facts.candidate, observed.get(host), now))
            for host, facts in known.hosts.items()
            if facts.candidate is not None and facts.candidate.routed_at is None
        }
        if hosts:
            changed[deployment] = replace(known, hosts={**known.hosts, **hosts})
    return changed


def _seen(candidate: Candidate, state: HostState | Unreachable | None, now: float) -> Candidate:
    if not isinstance(state, HostState):
        return replace(candidate, seen_at=now)
    step = min(max(now - candidate.seen_at, 0.0), _LONGEST_STEP_S)
    return replace(candidate, seen_at=now, waited=candidate.waited + step)


def _starting(facts: HostRollout, action: actions.Start, now: float) -> HostRollout:
    """A last known good that starts again is no candidate: it was tested when it became good."""
    known = facts.candidate
    if same(facts.last_good, action.spec):
        return facts
    if known and same(known.spec, action.spec) and known.revision == action.revision:
        return facts
    fresh = Candidate(spec=action.spec, revision=action.revision, since=now, seen_at=now)
    return replace(facts, candidate=fresh)


def _restarting(facts: HostRollout, instance: str, now: float) -> HostRollout:
    recent = [known for known in facts.restarts if now - RESTART_WINDOW_S < known.at <= now]
    return replace(facts, restarts=(*recent, Restarted(instance, now)))


def _routed(facts: HostRollout, spec: InstanceSpec, now: float) -> HostRollout:
    known = facts.candidate
    if known is None or not same(known.spec, spec):
        return facts
    return replace(facts, candidate=replace(known, routed_at=now))


def _after(
    facts: HostRollout,
    action: actions.HostAction,
    outcome: Outcome,
    now: float,
) -> HostRollout:
    key = actions.key(action)
    before = facts.failure_of(key)
    others = tuple(failure for failure in facts.failures if failure.action != key)
    if isinstance(outcome, Failed):
        failure = _failure(before, action, outcome, now)
        return replace(facts, failures=(*others[-_FAILURES_KEPT:], failure))
    return _succeeded(replace(facts, failures=others), action, outcome, now)


def _succeeded(
    facts: HostRollout,
    action: actions.HostAction,
    outcome: Done | Preflighted | Tested,
    now: float,
) -> HostRollout:
    match action:
        case actions.Preflight():
            facts = _preflighted(facts, action.spec, outcome, now)
        case actions.Accept():
            facts = _tested(facts, action, outcome, now)
        case actions.RouteTo():
            facts = _routed(facts, action.spec, now)
        case actions.Remove():
            facts = _removed(facts, action.instance)
        case actions.Start() | actions.Restart() | actions.Renew() | actions.Unroute():
            pass
    return facts


def _removed(facts: HostRollout, instance: str) -> HostRollout:
    is_candidate = facts.candidate is not None and facts.candidate.spec.name == instance
    return replace(facts, candidate=None) if is_candidate else facts


def _preflighted(
    facts: HostRollout, spec: InstanceSpec, outcome: Outcome, now: float
) -> HostRollout:
    if not isinstance(outcome, Preflighted):
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
    facts: HostRollout, action: actions.Accept, outcome: Outcome, now: float
) -> HostRollout:
    known = facts.candidate
    if known is None or not same(known.spec, action.spec) or known.revision != action.revision:
        return facts
    if not isinstance(outcome, Tested):
        return facts
    result = Acceptance(passed=outcome.passed, reasons=outcome.reasons, at=now)
    return replace(facts, candidate=replace(known, acceptance=result))


def _quarantine(rollouts: Rollouts, action: actions.Quarantine, now: float) -> Rollouts:
    known = rollouts.get(action.deployment, NO_ROLLOUT)
    if known.quarantine_of(action.revision) is not None:
        return rollouts
    entry = Quarantined(
        revision=action.revision,
        spec=action.spec,
        host=action.host,
        code=action.reason.code,
        reason=action.reason.text,
        at=now,
    )
    kept = (*known.quarantined, entry)[-_QUARANTINES_KEPT:]
    return {**rollouts, action.deployment: replace(known, quarantined=kept)}


def _reverted(
    rollouts: Rollouts, action: actions.PushRevert, outcome: Outcome, now: float
) -> Rollouts:
    known = rollouts.get(action.deployment, NO_ROLLOUT)
    entries = tuple(
        _pushed(entry, action, outcome, now) if entry.revision == action.revision else entry
        for entry in known.quarantined
    )
    return {**rollouts, action.deployment: replace(known, quarantined=entries)}


def _pushed(
    entry: Quarantined, action: actions.PushRevert, outcome: Outcome, now: float
) -> Quarantined:
    match outcome:
        case Done():
            return replace(entry, reverted=outcome.detail, failure=None)
        case Failed():
            return replace(entry, failure=_failure(entry.failure, action, outcome, now))
        case Preflighted() | Tested():
            return entry


def _settle(rollouts: Rollouts, action: actions.Settle) -> Rollouts:
    known = rollouts.get(action.deployment, NO_ROLLOUT)
    hosts = dict(known.hosts)
    for spec in action.specs:
        facts = known.on(spec.host)
        hosts[spec.host] = HostRollout(preflight=facts.preflight, last_good=spec)
    return {**rollouts, action.deployment: replace(known, hosts=hosts)}


def _forget(rollouts: Rollouts, action: actions.Forget) -> Rollouts:
    known = rollouts.get(action.deployment, NO_ROLLOUT)
    hosts = {host: facts for host, facts in known.hosts.items() if host != action.host}
    changed = {**rollouts, action.deployment: replace(known, hosts=hosts)}
    if not hosts and not known.quarantined:
        del changed[action.deployment]
    return changed


def _failure(
    before: Failure | None, action: actions.Action, outcome: Failed, now: float
) -> Failure:
    key = actions.key(action)
    count = before.count + 1 if before is not None and before.action == key else 1
    return Failure(action=key, count=count, at=now, detail=outcome.detail)


def _edit(
    rollouts: Rollouts,
    action: actions.HostAction,
    change: Callable[[HostRollout], HostRollout],
) -> Rollouts:
    deployment = actions.deployment_of(action)
    known = rollouts.get(deployment, NO_ROLLOUT)
    facts = change(known.on(action.host))
    edited = Rollout(hosts={**known.hosts, action.host: facts}, quarantined=known.quarantined)
    return {**rollouts, deployment: edited}
