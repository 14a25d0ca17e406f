"""How memory changes: before an effect and after it. Pure, and safe to repeat.

The loop saves the result of `intend` before it performs an action and that of `conclude`
after it. A crash in between leaves the intent, and the next plan finds its way from there.
"""

from collections.abc import Callable
from dataclasses import replace

from reconciler.core import (
    actions,
    analysis,
    gone,
    goods,
    granted,
    hookruns,
    hostmemory,
    outcomes,
    reverted,
    reverts,
)
from reconciler.core.experiments import acts, tried
from reconciler.core.following import tried as followed
from reconciler.core.following.acts import Bump, Track, Withdraw
from reconciler.core.hookruns import HookRun
from reconciler.core.promotions import tried as promoted
from reconciler.core.promotions.acts import Assess, Promote, PromoteByHand, Recall, Soak
from reconciler.core.rollout import NO_ROLLOUT, HostRollout, Quarantined, Rollout, Rollouts


def intend(  # noqa: C901, PLR0911  one arm an action
    rollouts: Rollouts, action: actions.Action, now: float
) -> Rollouts:
    """What to remember before `action` is performed."""
    match action:
        case actions.Start():
            return _start(rollouts, action, now)
        case actions.Restart() | actions.Renew():
            name = action.instance
            return _edit(rollouts, action, lambda one: hostmemory.restarting(one, name, now))
        case hookruns.Call():
            return _called(rollouts, action, lambda runs: hookruns.begun(runs, action))
        case actions.RouteTo():
            return _edit(rollouts, action, lambda facts: hostmemory.routed(facts, action.spec, now))
        case actions.Remove():
            name = action.instance
            return _edit(rollouts, action, lambda facts: hostmemory.removing(facts, name))
        case reverts.OpenRequest() | Promote() | Bump():
            return _ask(rollouts, action)
        case (
            actions.Preflight()
            | actions.Accept()
            | actions.Measure()
            | actions.Unroute()
            | actions.Shift()
            | actions.Proceed()
            | actions.Settle()
            | actions.Forget()
            | actions.Quarantine()
            | actions.GiveUp()
            | actions.Grant()
        ):
            return rollouts
        case reverts.PushRevert() | reverts.CloseRequest() | PromoteByHand() | Recall() | Assess():
            return rollouts
        case acts.Begin() | acts.Look() | acts.Decide() | acts.Propose() | Soak():
            return rollouts
        case Track() | Withdraw():
            return rollouts


def conclude(  # noqa: C901, PLR0911  one arm an action
    rollouts: Rollouts, action: actions.Action, outcome: outcomes.Outcome, now: float
) -> Rollouts:
    """What to remember after `action` ended with `outcome`."""
    known = rollouts.get(actions.deployment_of(action), NO_ROLLOUT)
    match action:
        case hookruns.Call():
            return _answered(rollouts, action, outcome, now)
        case actions.Proceed():
            return _proceed(rollouts, action)
        case actions.Quarantine():
            return _quarantine(rollouts, action, outcome, now)
        case actions.GiveUp():
            return _edit(rollouts, action, lambda facts: hostmemory.given_up(facts, action, now))
        case reverts.PushRevert() | reverts.OpenRequest() | reverts.CloseRequest() | Recall():
            return {**rollouts, action.deployment: _after(known, action, outcome, now)}
        case acts.Begin() | acts.Look() | acts.Decide() | acts.Propose() | Soak() | Promote():
            return {**rollouts, action.deployment: _after(known, action, outcome, now)}
        case Track() | Bump() | Withdraw() | actions.Grant() | PromoteByHand() | Assess():
            after = _after(known, action, outcome, now)
            return _unless_empty(rollouts, action.deployment, after)
        case actions.Forget():
            return _forget(rollouts, action)
        case actions.Settle():
            return _settle(rollouts, action)
        case actions.Measure() if isinstance(outcome, outcomes.Measured):
            return _measured(rollouts, action, outcome, now)
        case (
            actions.Preflight()
            | actions.Start()
            | actions.Restart()
            | actions.Renew()
            | actions.Accept()
            | actions.Measure()
            | actions.RouteTo()
            | actions.Shift()
            | actions.Unroute()
            | actions.Remove()
        ):
            return _done(rollouts, action, outcome, now)


def _done(
    rollouts: Rollouts, action: actions.HostAction, outcome: outcomes.Outcome, now: float
) -> Rollouts:
    return _edit(rollouts, action, lambda facts: hostmemory.after(facts, action, outcome, now))


def _ask(rollouts: Rollouts, action: reverts.OpenRequest | Promote | Bump) -> Rollouts:
    known = rollouts.get(action.deployment, NO_ROLLOUT)
    match action:
        case reverts.OpenRequest():
            known = reverted.asking(known, action)
        case Promote():
            known = promoted.asking(known, action)
        case Bump():
            known = followed.asking(known, action)
    return {**rollouts, action.deployment: known}


def _start(rollouts: Rollouts, action: actions.Start, now: float) -> Rollouts:
    changed = _edit(rollouts, action, lambda facts: hostmemory.starting(facts, action, now))
    known = changed[action.spec.deployment]
    if not known.hooks:
        return changed
    hooks = hookruns.started(known.hooks, action.revision)
    return {**changed, action.spec.deployment: replace(known, hooks=hooks)}


def _quarantine(
    rollouts: Rollouts, action: actions.Quarantine, outcome: outcomes.Outcome, now: float
) -> Rollouts:
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
        entry=outcomes.entry_of(outcome),
    )
    kept = (*known.quarantined, entry)[-granted.QUARANTINES_KEPT :]
    ended = replace(
        known, quarantined=kept, progress=None, wish=None, hooks=hookruns.over(known.hooks)
    )
    return {**rollouts, action.deployment: ended}


def _settle(rollouts: Rollouts, action: actions.Settle) -> Rollouts:
    known = rollouts.get(action.deployment, NO_ROLLOUT)
    hosts = dict(known.hosts)
    for spec in action.specs:
        hosts[spec.host] = goods.settled(known.on(spec.host), spec)
    ended = replace(known, hosts=hosts, progress=None, wish=None, hooks=hookruns.over(known.hooks))
    return {**rollouts, action.deployment: ended}


def _proceed(rollouts: Rollouts, action: actions.Proceed) -> Rollouts:
    """Unless the rollout is elsewhere by now: measurements come in beside the loop."""
    known = rollouts.get(action.deployment, NO_ROLLOUT)
    if known.progress != action.before:
        return rollouts
    if action.after is None:
        hosts = {host: hostmemory.left(one, action.spec) for host, one in known.hosts.items()}
        known = replace(known, hosts=hosts, hooks=hookruns.left(known.hooks))
    is_granted = known.wish is not None and known.wish.id == action.granted
    changed = replace(
        known,
        progress=action.after,
        wish=None if is_granted else known.wish,
        granted=action.granted if is_granted else known.granted,
    )
    return {**rollouts, action.deployment: changed}


def _measured(
    rollouts: Rollouts, action: actions.Measure, outcome: outcomes.Measured, now: float
) -> Rollouts:
    """Into the run that was asked for, if the rollout still has it."""
    deployment = action.spec.deployment
    known = rollouts.get(deployment, NO_ROLLOUT)
    if known.progress is None:
        return rollouts

    def after(run: analysis.AnalysisRun | None) -> analysis.AnalysisRun | None:
        return None if run is None else analysis.conclude(run, action.run, outcome.found, now)

    progress = replace(
        known.progress,
        analysis=after(known.progress.analysis),
        beside=after(known.progress.beside),
    )
    return {**rollouts, deployment: replace(known, progress=progress)}


def _answered(
    rollouts: Rollouts, action: hookruns.Call, outcome: outcomes.Outcome, now: float
) -> Rollouts:
    trouble = outcome.detail if isinstance(outcome, outcomes.Failed) else ""
    return _called(rollouts, action, lambda runs: hookruns.ended(runs, action, trouble, now))


def _called(
    rollouts: Rollouts,
    action: hookruns.Call,
    change: Callable[[tuple[HookRun, ...]], tuple[HookRun, ...]],
) -> Rollouts:
    deployment = action.spec.deployment
    known = rollouts.get(deployment, NO_ROLLOUT)
    return {**rollouts, deployment: replace(known, hooks=change(known.hooks))}


def _forget(rollouts: Rollouts, action: actions.Forget) -> Rollouts:
    known = rollouts.get(action.deployment, NO_ROLLOUT)
    hosts = {host: facts for host, facts in known.hosts.items() if host != action.host}
    if hosts:
        return {**rollouts, action.deployment: replace(known, hosts=hosts)}
    return _unless_empty(rollouts, action.deployment, gone.remains(known))


def _unless_empty(rollouts: Rollouts, deployment: str, known: Rollout) -> Rollouts:
    """Nothing is remembered of what nothing is known of."""
    if known != NO_ROLLOUT:
        return {**rollouts, deployment: known}
    return {key: one for key, one in rollouts.items() if key != deployment}


def _edit(
    rollouts: Rollouts,
    action: actions.HostAction | actions.GiveUp,
    change: Callable[[HostRollout], HostRollout],
) -> Rollouts:
    deployment = actions.deployment_of(action)
    known = rollouts.get(deployment, NO_ROLLOUT)
    facts = change(known.on(action.host))
    edited = replace(known, hosts={**known.hosts, action.host: facts})
    return {**rollouts, deployment: edited}


def _after(  # noqa: PLR0911  one arm an action
    known: Rollout,
    action: actions.Grant | actions.ForGit | acts.OfExperiment | Soak | Track | Assess,
    outcome: outcomes.Outcome,
    now: float,
) -> Rollout:
    match action:
        case actions.Grant():
            return granted.after(known, action, outcome, now)
        case reverts.PushRevert() | reverts.OpenRequest() | reverts.CloseRequest():
            return reverted.after(known, action, outcome, now)
        case PromoteByHand():
            return promoted.answered(known, action, outcome)
        case Assess():
            return promoted.assessed(known, action, outcome, now)
        case Soak() | Promote() | Recall():
            return promoted.after(known, action, outcome, now)
        case Track() | Bump() | Withdraw():
            return followed.after(known, action, outcome, now)
        case acts.Begin() | acts.Look() | acts.Decide() | acts.Propose():
            return tried.after(known, action, outcome, now)
