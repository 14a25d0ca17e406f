"""The way back: each host to what was good there, and the revert in Git. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from reconciler.core import actions, hostplan, reverts, shifting
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.hostplan import Step
from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Quarantined, Rollout
from reconciler.core.stage import View


def give_up(views: list[View], view: View, why: Reason) -> Iterator[Action | Wait]:
    """Remember that it failed, on the host of `view`, and send every host back."""
    spec = view.wanted if view.candidate is None else view.candidate.spec
    revision = view.deployment.revision
    yield actions.Quarantine(view.host, view.deployment.key, revision, spec, why)
    yield from go_back(views, why.text)


def go_back(views: list[View], failed: str) -> Iterator[Action | Wait]:
    """Each host to its own last known good, which on a host that had settled is this version."""
    for view in views:
        yield from back(view, failed)
    for view in views[:1]:
        text = f"{failed}; until model, runtime or acceptance change, or somebody retries it"
        yield Wait(view.deployment.key, None, Reason(Why.QUARANTINED, text))


def back(view: View, failed: str) -> Iterator[Step]:
    """To the host's own last known good, which on a host that had settled is this version."""
    good = view.seat.facts.last_good
    if good is None and view.seat.shared:
        steps = shifting.take_back(view)
    elif good is None:
        steps = hostplan.abandon(view, failed)
    elif view.is_settled:
        steps = hostplan.heal(view.seat, good)
    else:
        why = Reason(Why.ROLLED_BACK, f"back to version {good.version}: {failed}")
        steps = hostplan.heal(view.seat, good, because=why)
    return hostplan.held_back(view.seat, steps)


def withdraw(view: View, why: Reason) -> Iterator[Step]:
    """A candidate without traffic whose place somebody else has by now: it begins anew later."""
    if view.seat.shared:
        yield from shifting.take_back(view)
        return
    yield from hostplan.tend(view.seat, starting=view.wanted)
    yield from hostplan.remove_superseded(view)
    if view.seat.instance_of(view.wanted) is not None:
        yield actions.Remove(view.host, view.deployment.key, view.wanted.name, why)
    yield Wait(view.deployment.key, view.host, why)


def revert(
    fleet: Fleet, deployment: Deployment, views: list[View], entry: Quarantined
) -> Iterator[Action | Wait]:
    """Once a rollback is under way, and unless some host has found the version good: a branch,
    and then a pull request for it."""
    is_told = entry.reverted is not None and (entry.request or not fleet.common.has_forge)
    if is_told or deployment.pinned_from is not None or not fleet.common.proposes:
        return
    if not deployment.manifest.spec.rollback.push_revert_branch:
        return
    goods = {view.host: view.seat.facts.last_good for view in views}
    good = goods.get(entry.host) or next(filter(None, goods.values()), None)
    if good is None or fleet.has_settled(deployment):
        return
    if deployment.is_made and (said := _by_hand(deployment, good)):
        yield Wait(deployment.key, None, Reason(Why.REVERT_BY_HAND, said))
        return
    why = Reason(Why.ROLLED_BACK, f"back to version {good.version}: {entry.reason}")
    push = reverts.PushRevert(
        deployment.key, deployment.path, deployment.revision, entry.spec, good, why,
        reverts.Evidence(entry.code, entry.by, entry.entry), deployment.origin,
    )  # fmt: skip
    step = reverts.OpenRequest(entry.reverted, push, why) if entry.reverted else push
    yield _unless_failing(fleet, step, entry)


def _by_hand(deployment: Deployment, good: InstanceSpec) -> str:
    """Why the set's file cannot be changed for this deployment alone; empty where it can."""
    origin, path = deployment.origin, deployment.path
    again = f"revert {deployment.key} to version {good.version} in {path} by hand"
    if origin is None:
        return f"{again}: its version and digest do not stand side by side in a list there"
    if origin.is_shared:
        return f"{again}: other deployments have their version from the same place"
    wanted = replace(
        deployment.spec_on(good.host, good.commit), version=good.version, digest=good.digest
    )
    if wanted.spec_hash != good.spec_hash:
        return f"{again}: more than its version has changed"
    return ""


def withdrawals(fleet: Fleet, key: str) -> Iterator[Action | Wait]:
    """Pull requests that are needed no longer: Git asks for something else, or it is retried."""
    if not fleet.common.has_forge or fleet.held(key):
        return
    known = fleet.rollout(key)
    for entry in known.quarantined:
        if not entry.may_be_open or _is_shared(known, entry):
            continue
        if (why := _why_withdraw(fleet, key, entry)) is not None:
            number = None if entry.request is None else entry.request.number
            step = reverts.CloseRequest(key, number, entry.reverted or "", entry.spec, why)
            yield _unless_failing(fleet, step, entry)


def _is_shared(known: Rollout, entry: Quarantined) -> bool:
    """Whether the same commit has failed again before its request could be closed: that one was
    open, and so it is the one of now."""
    return (
        entry.lifted
        and entry.request is not None
        and any(
            one.request is not None and one.request.number == entry.request.number
            for one in known.in_force
        )
    )


def _why_withdraw(fleet: Fleet, key: str, entry: Quarantined) -> Reason | None:
    deployment, commit = fleet.deployment(key), fleet.commit[:12]
    if deployment is not None and deployment.pinned_from is not None:
        deployment = deployment.pinned_from
    if deployment is None:
        return Reason(Why.REMOVED_FROM_GIT, f"{key} is no longer in Git, as of {commit}")
    if entry.lifted:
        text = f"version {entry.spec.version} is tried again, or was sent back anew"
        return Reason(Why.TRIED_AGAIN, text)
    if deployment.revision == entry.revision:
        return None
    version = deployment.manifest.spec.model.version
    return Reason(Why.NEW_SPEC, f"Git asks for version {version}, as of {commit}")


def _unless_failing(fleet: Fleet, step: reverts.ForGit, entry: Quarantined) -> Action | Wait:
    """A forge or a remote that is down delays nothing but this."""
    failure = entry.failure
    if failure is None or fleet.now >= (until := hostplan.retry_at(failure)):
        return step
    why = Reason(Why.BACKING_OFF, f"{failure.action} failed: {failure.detail}")
    return Wait(step.deployment, None, why, until)
