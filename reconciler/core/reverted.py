"""How far Git has been told of a rollback, as it is remembered with its quarantine. Pure."""

from collections.abc import Callable
from dataclasses import replace

from reconciler.core import hostmemory, outcomes, reverts
from reconciler.core.rollout import Quarantined, Request, Rollout


def after(known: Rollout, action: reverts.ForGit, outcome: outcomes.Outcome, now: float) -> Rollout:
    """What to remember once `action` ended; a failure is kept to be tried again later."""
    is_about = _about(action)

    def changed(entry: Quarantined) -> Quarantined:
        if isinstance(outcome, outcomes.Failed):
            failure = hostmemory.failure(entry.failure, action, outcome, now)
            return replace(entry, failure=failure)
        return _done(replace(entry, failure=None), action, outcome)

    entries = tuple(changed(one) if is_about(one) else one for one in known.quarantined)
    return replace(known, quarantined=entries)


def asking(known: Rollout, action: reverts.OpenRequest) -> Rollout:
    """Before the forge is asked: whatever becomes of it, there may be a request from here on."""
    is_about = _about(action)
    entries = (replace(one, is_asked=True) if is_about(one) else one for one in known.quarantined)
    return replace(known, quarantined=tuple(entries))


def _about(action: reverts.ForGit) -> Callable[[Quarantined], bool]:
    match action:
        case reverts.PushRevert(revision=revision):
            return lambda entry: entry.revision == revision and not entry.lifted
        case reverts.OpenRequest(revert=revert):
            return lambda entry: entry.revision == revert.revision and not entry.lifted
        case reverts.CloseRequest(number=None, branch=branch):
            return lambda entry: entry.is_asked and entry.reverted == branch
        case reverts.CloseRequest(number=number):
            return lambda entry: entry.request is not None and entry.request.number == number


def _done(entry: Quarantined, action: reverts.ForGit, outcome: outcomes.Outcome) -> Quarantined:
    match action:
        case reverts.PushRevert() if isinstance(outcome, outcomes.Done):
            return replace(entry, reverted=outcome.detail)
        case reverts.OpenRequest() if isinstance(outcome, outcomes.Opened):
            return replace(entry, request=Request(outcome.number, outcome.url), is_asked=False)
        case reverts.CloseRequest() if entry.request is not None:
            return replace(entry, request=replace(entry.request, is_closed=True))
        case reverts.CloseRequest():
            return replace(entry, is_asked=False)
        case _:
            return entry
