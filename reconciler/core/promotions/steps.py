"""When a version goes on from one deployment to the next: the rule, by what is known here. Pure.

It has been well at its source for the whole soak, without a break; a window is open. What only the
registry knows (does it verify, do policies allow it there, who has approved it) is asked last.
"""

from collections.abc import Iterator
from dataclasses import replace

from reconciler.core import analyses, analysis, edit, pinning
from reconciler.core.actions import Action, Wait
from reconciler.core.analysis import Phase
from reconciler.core.desired import Deployment
from reconciler.core.experiments import winning
from reconciler.core.fleet import Fleet
from reconciler.core.kinds.promotion import Promotion
from reconciler.core.observed import Health
from reconciler.core.projects import windows
from reconciler.core.promotions.acts import Assess, Promote, Recall, Soak
from reconciler.core.promotions.run import Run
from reconciler.core.reasons import Reason, Why
from reconciler.core.stage import Stage, View
from registry.core import strict

_LONGEST_BACKOFF_S = 30.0


def steps(fleet: Fleet, deployment: Deployment) -> Iterator[Action | Wait]:
    """What is to be done and waited for until Git asks for the source's version here, too."""
    if not fleet.common.proposes:
        return
    asked = fleet.promotion(deployment.key)
    stale = _stale(fleet, deployment, asked)
    if stale is not None:
        yield stale
    if asked is None or stale is not None:
        return
    source = fleet.deployment(asked.spec.from_)
    if source is None or fleet.is_elsewhere(source.key):
        yield _wait(deployment, asked, f"{asked.spec.from_} is not looked after here")
        return
    model, now = source.manifest.spec.model, deployment.manifest.spec.model
    if (model.version, model.digest) == (now.version, now.digest):
        return
    if model.version <= now.version:
        text = f"{source.key} asks for version {model.version}, and this for {now.version} already"
        yield _wait(deployment, asked, text)
        return
    yield from _towards(fleet, deployment, asked, source)


def _stale(fleet: Fleet, deployment: Deployment, asked: Promotion | None) -> Recall | None:
    """A pull request that nobody needs any more: Git asks for its version or a newer one, or no
    promotion leads here. One that a person has merged is only looked at."""
    run = fleet.rollout(deployment.key).promotion
    proposed = None if run is None else run.proposed
    if run is None or proposed is None:
        return None
    now = pinning.of_git(deployment).manifest.spec.model
    if asked is None or asked.metadata.name != proposed.name:
        text = f"the promotion {proposed.name} leads to {deployment.key} no longer"
        after = run.overtaken if proposed is run else None
    elif now.version >= proposed.version:
        text = f"Git asks for version {now.version} on {deployment.key} by now"
        over = replace(proposed, request=None, is_asked=False)
        after = over if proposed is run else replace(run, overtaken=None)
    else:
        return None
    return _recall(fleet, deployment, proposed, after, text)


def _recall(fleet: Fleet, deployment: Deployment, run: Run, after: Run | None, text: str) -> Recall:
    spec = pinning.of_git(deployment).spec_on("", fleet.commit)
    about = edit.respecified(spec, run.version, run.digest)
    return Recall(deployment.key, run, about, after, Reason(Why.PROMOTION, text))


def _towards(
    fleet: Fleet, deployment: Deployment, asked: Promotion, source: Deployment
) -> Iterator[Action | Wait]:
    model, key = source.manifest.spec.model, deployment.key
    run = fleet.rollout(key).promotion
    name = asked.metadata.name
    is_same = run is not None and (run.name, run.digest) == (name, model.digest)
    if run is not None and is_same and run.told.where:
        yield _wait(deployment, asked, f"version {model.version} was proposed: {run.told.where}")
        return
    trouble = _trouble(fleet, source)
    if run is not None and run.is_asked and (trouble or not is_same):
        text = trouble or f"{source.key} asks for version {model.version} by now"
        yield _recall(fleet, deployment, run, run.overtaken, text)
        return
    before = None if run is None else run.overtaken
    if run is not None and before is not None and before.digest == model.digest:
        text = f"{source.key} is back at version {before.version}, which was proposed"
        yield Soak(key, run, before, Reason(Why.PROMOTION, text))
        return
    if trouble:
        if run is not None and run.proposed is not run:
            yield Soak(key, run, run.proposed, Reason(Why.PROMOTION, trouble))
        yield _wait(deployment, asked, trouble)
    elif run is None or not is_same:
        begun = Run(name, model.version, model.digest, fleet.now, fleet.authors)
        begun = replace(begun, overtaken=None if run is None else run.proposed)
        text = f"version {model.version} is well on all hosts of {source.key}"
        yield Soak(key, begun, begun, Reason(Why.PROMOTION, text))
    else:
        yield _due(fleet, deployment, asked, source, run)


def _due(
    fleet: Fleet, deployment: Deployment, asked: Promotion, source: Deployment, run: Run
) -> Action | Wait:
    conditions, version = asked.spec.conditions, f"version {run.version}"
    until = run.since + strict.duration_seconds(conditions.soak)
    if fleet.now < until:
        text = f"{version} has to be well on {source.key} for {conditions.soak}"
        return _wait(deployment, asked, text, until)
    if conditions.analysis and (step := _assessed(fleet, deployment, asked, source, run)):
        return step
    there = windows.of(conditions.windows, deployment.manifest.metadata.environment)
    match windows.state(there, fleet.now):
        case windows.Closed(why, opens):
            return _wait(deployment, asked, f"{version} is ready, and {why}", opens)
        case windows.Open():
            pass
    spec = source.spec_on("", fleet.commit)
    wanted = deployment.asking_for(spec)
    entry = fleet.rollout(deployment.key).quarantine_of(wanted.revision)
    by_hand = winning.by_hand(deployment)
    if entry is not None or by_hand:
        why = by_hand if entry is None else f"quarantined here: {entry.reason}"
        return _wait(deployment, asked, f"{version} is {'' if entry else 'ready: '}{why}")
    again = run.told.at + min(2.0 ** min(run.told.tries, 10), _LONGEST_BACKOFF_S)
    if run.told.tries and fleet.now < again:
        return _wait(deployment, asked, f"{version} is ready: {run.told.trouble}", again)
    now = deployment.manifest.spec.model
    return Promote(
        deployment.key,
        deployment.path,
        deployment.origin,
        asked,
        run,
        edit.Pin(now.name, now.version, now.digest),
        wanted.spec_on("", fleet.commit),
        Reason(Why.PROMOTION, f"{version} was well on {source.key} for {conditions.soak}"),
    )


def _assessed(
    fleet: Fleet, deployment: Deployment, asked: Promotion, source: Deployment, run: Run
) -> Action | Wait | None:
    """What is left of its analysis; None once it has succeeded.

    What has failed stays so for this version; what came to no conclusion begins anew, with the
    whole soak.
    """
    key, version = deployment.key, f"version {run.version}"
    if run.analysis is None:
        return _begun(fleet, key, asked, run)
    judged = analysis.phase(run.analysis)
    match judged.phase:
        case Phase.SUCCESSFUL:
            return None
        case Phase.FAILED:
            return _wait(deployment, asked, f"{version} is not promoted: {judged.reason}")
        case Phase.ERROR | Phase.INCONCLUSIVE:
            return Soak(key, run, run.overtaken, Reason(Why.PROMOTION, judged.reason))
        case Phase.PENDING | Phase.RUNNING:
            due, again = analysis.due(run.analysis, fleet.now), analysis.next_at(run.analysis)
    if not due:
        return _wait(deployment, asked, f"{version}: {judged.reason}", again)
    specs = tuple(source.spec_on(host, fleet.commit) for host in source.hosts)
    why = Reason(Why.MEASUREMENT_DUE, f"{version} was well on {source.key} long enough")
    return Assess(key, specs, run, due, why)


def _begun(fleet: Fleet, key: str, asked: Promotion, run: Run) -> Soak:
    wanted = asked.spec.conditions.analysis
    templates = () if wanted is None else analyses.templates(wanted, fleet.common.analyses)
    given = {} if wanted is None else analyses.given(wanted)
    begun = analysis.begin(templates, given, fleet.now)
    why = Reason(Why.PROMOTION, f"the analysis of version {run.version} begins")
    return Soak(key, run, replace(run, analysis=begun), why)


def _trouble(fleet: Fleet, source: Deployment) -> str:
    """Why the soak does not count now; empty where the source is well on all its hosts."""
    version = f"version {source.manifest.spec.model.version}"
    if source.pin is not None or source.trial is not None:
        return f"{source.key} serves another version than its file asks for"
    away = [host for host in source.hosts if not fleet.reaches(host)]
    if away or not source.hosts:
        return f"{source.key} cannot be seen on {', '.join(away) or 'any host'}"
    sick = [view.host for view in fleet.views(source) if not _is_well(view)]
    return f"{version} is not well yet on {', '.join(sick)} of {source.key}" if sick else ""


def _is_well(view: View) -> bool:
    instance = view.seat.instance_of(view.wanted)
    is_healthy = instance is not None and instance.health is Health.HEALTHY
    return is_healthy and view.stage() is Stage.SETTLED


def _wait(deployment: Deployment, asked: Promotion, text: str, until: float | None = None) -> Wait:
    said = f"the promotion {asked.metadata.name}: {text}"
    return Wait(deployment.key, None, Reason(Why.WAITING_TO_PROMOTE, said), until)
