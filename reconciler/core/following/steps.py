"""When Git is told of the version that an alias or a range has come to: the rule. Pure.

What a person writes is the newer word: for one move of an alias a version is brought to Git once,
and for a range only what is newer than all that were. What only the registry knows (does it
verify, do policies allow it, what is shown of it) is asked last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconciler.core import edit, pinning
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment
from reconciler.core.experiments import winning
from reconciler.core.experiments.run import Told
from reconciler.core.fleet import Fleet
from reconciler.core.following import ranges
from reconciler.core.following.acts import Bump, Track, Withdraw
from reconciler.core.following.run import IN_GIT, Run
from reconciler.core.following.target import Candidate, Found, Missing
from reconciler.core.kinds.following import Follow
from reconciler.core.projects import windows
from reconciler.core.reasons import Reason, Why
from registry.core import strict

_LONGEST_BACKOFF_S = 60.0


def steps(fleet: Fleet, deployment: Deployment) -> Iterator[Action | Wait]:
    """What is to be done and waited for until Git asks for what is followed."""
    rule = pinning.of_git(deployment).manifest.spec.model.follow
    if not fleet.common.proposes:
        return
    if rule is None:
        yield from _over(fleet, deployment)
        return
    match fleet.followed(deployment.key):
        case None:
            yield _wait(deployment, rule, "the registry was not asked yet")
        case Missing(reason):
            yield _wait(deployment, rule, reason)
        case Found() as found:
            yield from _after(fleet, deployment, rule, found)


def _over(fleet: Fleet, deployment: Deployment) -> Iterator[Action]:
    """Its file follows nothing any more."""
    run = fleet.rollout(deployment.key).following
    if run is None:
        return
    why = Reason(Why.FOLLOWING, f"{deployment.path} follows no {run.rule} any more")
    if run.may_be_open:
        yield Withdraw(deployment.key, run, deployment.spec_on("", fleet.commit), why)
    else:
        yield Track(deployment.key, None, why)


def _after(
    fleet: Fleet, deployment: Deployment, rule: Follow, found: Found
) -> Iterator[Action | Wait]:
    run = fleet.rollout(deployment.key).following
    if run is not None and run.rule != rule.rule:
        yield from _over(fleet, deployment)
        return
    ahead = _ahead(deployment, rule, found)
    if not ahead:
        yield from _agreed(fleet, deployment, rule, found, run)
        return
    fresh = [one for one in ahead if run is None or not _was_brought(one, rule, found, run)]
    if run is not None and not fresh:
        yield _wait(deployment, rule, _told(deployment, ahead[0], run))
    else:
        yield from _towards(fleet, deployment, rule, found, fresh)


def _ahead(deployment: Deployment, rule: Follow, found: Found) -> list[Candidate]:
    """What Git should ask for rather than for what it does, the best first. An alias leads back,
    too; within a range the way is up, unless what Git asks for is not in it."""
    model = pinning.of_git(deployment).manifest.spec.model
    others = [one for one in found.candidates if one.digest != model.digest]
    if rule.range_ is not None and ranges.parse(rule.range_).has(model.version):
        return [one for one in others if one.version > model.version]
    return others


def _was_brought(one: Candidate, rule: Follow, found: Found, run: Run) -> bool:
    if rule.range_ is not None:
        return one.version <= run.brought
    return (one.version, found.moved) == (run.brought, run.brought_by)


def _told(deployment: Deployment, wanted: Candidate, run: Run) -> str:
    version = f"version {wanted.version}"
    if run.told.where == IN_GIT:
        now = pinning.of_git(deployment).manifest.spec.model.version
        return f"Git has asked for {version} before and asks for {now} again: that stands"
    return _proposed(run)


def _proposed(run: Run) -> str:
    return f"version {run.brought} was proposed: {run.told.where}"


def _agreed(
    fleet: Fleet, deployment: Deployment, rule: Follow, found: Found, run: Run | None
) -> Iterator[Action]:
    """Git asks for it. That is remembered: who takes it back in Git has the last word."""
    model, top = pinning.of_git(deployment).manifest.spec.model, found.candidates[0]
    said = f"{rule.rule} is version {model.version}, which Git asks for"
    why = Reason(Why.FOLLOWING, said)
    is_other = run is not None and (run.is_asked or run.brought != model.version)
    if run is not None and run.may_be_open and is_other:
        yield Withdraw(deployment.key, run, deployment.spec_on("", fleet.commit), why)
        return
    brought = model.version, found.moved
    if run is not None and (run.brought, run.brought_by) == brought:
        return
    told = Told(where=IN_GIT)
    since = fleet.now
    after = Run(rule.rule, top.version, top.digest, found.moved, since, *brought, told)
    yield Track(deployment.key, after, why)


def _towards(
    fleet: Fleet, deployment: Deployment, rule: Follow, found: Found, fresh: Sequence[Candidate]
) -> Iterator[Action | Wait]:
    key, git = deployment.key, pinning.of_git(deployment)
    known, spec = fleet.rollout(key), git.spec_on("", fleet.commit)
    specs, barred = [], []
    for one in fresh:
        wanted = git.asking_for(edit.respecified(spec, one.version, one.digest))
        entry = known.quarantine_of(wanted.revision)
        if entry is None:
            specs.append(wanted.spec_on("", fleet.commit))
        else:
            barred.append(f"version {one.version} is quarantined here: {entry.reason}")
    if not specs:
        yield _wait(deployment, rule, "; ".join(barred))
        return
    run, top = known.following, Candidate(specs[0].version, specs[0].digest)
    words = f"{rule.rule} is version {top.version}"
    if run is None or not run.is_of(rule.rule, top, found.moved):
        yield Track(key, _seen(run, rule, top, found, fleet.now), Reason(Why.FOLLOWING, words))
        return
    obstacle = next(_obstacles(fleet, deployment, rule, run), None)
    if obstacle is not None:
        yield obstacle
        return
    model = git.manifest.spec.model
    was = edit.Pin(model.name, model.version, model.digest)
    if top.version < was.version:
        words += f", and leads back from version {was.version}"
    why = Reason(Why.FOLLOWING, words)
    yield Bump(key, git.path, git.origin, rule, run, was, tuple(specs), why)


def _seen(run: Run | None, rule: Follow, top: Candidate, found: Found, now: float) -> Run:
    """What was brought before, and its request, stay known."""
    fresh = Run(rule.rule, top.version, top.digest, found.moved, now)
    if run is None:
        return fresh
    return replace(
        fresh,
        brought=run.brought,
        brought_by=run.brought_by,
        told=Told(where=run.told.where, at=now),
        request=run.request,
        is_asked=run.is_asked,
    )


def _obstacles(fleet: Fleet, deployment: Deployment, rule: Follow, run: Run) -> Iterator[Wait]:
    """Why Git is not told now, though there is something to tell."""
    words, git = f"version {run.version}", pinning.of_git(deployment)
    until = run.since + strict.duration_seconds(rule.stable_for)
    if fleet.now < until:
        yield _wait(deployment, rule, f"{words} has to stay for {rule.stable_for}", until)
    if held := _held(fleet, deployment, git):
        yield _wait(deployment, rule, f"{words} is there: {held}")
    if rule.by == "commit":
        match windows.state(git.windows, fleet.now):
            case windows.Closed(why, opens):
                yield _wait(deployment, rule, f"{words} is there, and {why}", opens)
            case windows.Open():
                pass
    again = run.told.at + min(2.0 ** min(run.told.tries, 10), _LONGEST_BACKOFF_S)
    if run.told.tries and fleet.now < again:
        proposed = "" if run.told.where in ("", IN_GIT) else f"{_proposed(run)}; "
        yield _wait(deployment, rule, f"{proposed}{run.told.trouble}", again)


def _held(fleet: Fleet, deployment: Deployment, git: Deployment) -> str:
    """What a person has to end, or to do; empty where nobody has."""
    if git.manifest.spec.suspend:
        return f"{git.path} says suspend: true"
    if deployment.pin is not None:
        return pinning.words(deployment.pin)
    tried = fleet.rollout(deployment.key).experiment
    if tried is not None and tried.decision is None:
        return f"the experiment {tried.name} is under way"
    return winning.by_hand(git)


def _wait(deployment: Deployment, rule: Follow, text: str, until: float | None = None) -> Wait:
    said = f"the {rule.rule}: {text}"
    return Wait(deployment.key, None, Reason(Why.WAITING_TO_FOLLOW, said), until)
