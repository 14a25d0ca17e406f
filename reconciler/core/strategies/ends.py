"""How a rollout ends, or stands still, that nobody pursues any further. Pure.

What is found here is remembered (`Proceed`) as any step is.
"""

from collections.abc import Iterator

from reconciler.core import actions
from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Rollout
from reconciler.core.stage import View
from reconciler.core.strategies import table
from reconciler.core.strategies.progress import Progress
from reconciler.core.strategies.table import Event


def sickened(fleet: Fleet, view: View, reason: Reason) -> Iterator[actions.Proceed]:
    """The candidate has failed on a host: where that happened in the strategy is remembered."""
    deployment = view.deployment
    progress = _own(fleet.rollout(deployment.key), deployment.revision)
    if progress is None:
        return
    program = deployment.program
    after = table.step(program, progress, Event.SICKENED, fleet.now, reason=reason.text)
    if after != progress:
        why = Reason(reason.code, f"{Event.SICKENED}: {reason.text}")
        yield actions.Proceed(deployment.key, progress, after, view.wanted, why)


def suspended(fleet: Fleet, deployment: Deployment) -> Iterator[actions.Proceed]:
    """Git wants nothing touched: the share stays, and the step begins anew once that is over."""
    progress = _own(fleet.rollout(deployment.key), deployment.revision)
    program = deployment.program
    if progress is None or progress.program != program.digest:
        return
    text = f"{deployment.path} says suspend: true"
    after = table.step(program, progress, Event.SUSPENDED, fleet.now, reason=text)
    if after != progress:
        spec = deployment.spec_on(deployment.hosts[0], fleet.commit)
        why = Reason(Why.SUSPENDED, f"{Event.SUSPENDED}: {text}")
        yield actions.Proceed(deployment.key, progress, after, spec, why)


def left(fleet: Fleet, deployment: Deployment) -> Iterator[actions.Proceed]:
    """Git has left a rollout midway, whether or not what it asks for now is rolled out. That one
    begins anew where it is asked for again: no step, no approval and no hook's word of this time
    counts then."""
    known = fleet.rollout(deployment.key)
    if is_left(known, deployment):
        granted = "" if known.wish is None else known.wish.id
        spec = deployment.spec_on(deployment.hosts[0], fleet.commit)
        why = Reason(Why.STEP, "another version is asked for now")
        yield actions.Proceed(deployment.key, known.progress, None, spec, why, granted)


def is_left(known: Rollout, deployment: Deployment) -> bool:
    """Whether what is remembered of a rollout is of another one than that of `deployment`."""
    revision = deployment.revision
    if known.progress is not None and known.progress.revision != revision:
        return True
    if any(run.has_begun and run.revision != revision for run in known.hooks):
        return True
    candidates = (facts.candidate for facts in known.hosts.values() if facts.candidate is not None)
    return any(one.revision and not one.is_of(deployment.anywhere) for one in candidates)


def _own(known: Rollout, revision: str) -> Progress | None:
    found = known.progress
    return found if found is not None and found.revision == revision else None
