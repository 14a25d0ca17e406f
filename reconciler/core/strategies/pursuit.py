"""Which events the facts amount to, and so how far a rollout is now. Pure.

Nothing is done here: what the hosts should be asked for follows from the progress that this
finds (`shifting`), and the progress is remembered (`Proceed`) before any of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.core import actions
from reconciler.core.fleet import Fleet
from reconciler.core.kinds import AnalysisTemplate
from reconciler.core.observed import InstanceSpec, Share
from reconciler.core.reasons import Reason, Why
from reconciler.core.seat import is_healthy
from reconciler.core.stage import Stage, View
from reconciler.core.strategies import ends, runs, table
from reconciler.core.strategies.program import (
    Pause,
    Program,
    describe,
    place,
    share_at,
)
from reconciler.core.strategies.progress import Progress, State, Verb, Wish
from reconciler.core.strategies.table import Event
from reconciler.core.waves import Wave

_NOT_ACCEPTED = frozenset(
    {
        Stage.UNVERIFIED,
        Stage.REFUSED,
        Stage.BLOCKED,
        Stage.VERIFIED,
        Stage.STARTED,
        Stage.READY,
    }
)


# What lets a rollout go on, and so is about a step of the strategy that a person has seen.
_OF_A_STEP = frozenset({Verb.PROMOTE, Verb.PROMOTE_FULL, Verb.RESUME})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is seen of one rollout; `stages` lacks hosts that have failed."""

    views: tuple[View, ...]
    stages: Mapping[str, Stage]
    wave: Wave
    templates: Mapping[str, AnalysisTemplate]
    now: float

    def reached(self, *stages: Stage) -> list[View]:
        """The hosts at one of `stages`."""
        return [view for view in self.views if self.stages.get(view.host) in stages]


@dataclass(frozen=True, slots=True)
class Pursuit:
    """Where a rollout is, and what to remember of how it got there.

    It `is_late` where the version was found good on other hosts before: it is not tried again.
    """

    program: Program
    progress: Progress | None
    notes: tuple[actions.Proceed, ...] = ()
    is_late: bool = False

    @property
    def step(self) -> str:
        """Where in its strategy the rollout is, in words."""
        if self.progress is None:
            return ""
        return place(self.program, self.progress.index)

    @property
    def where(self) -> str:
        """The step, and what the candidate gets of the traffic meanwhile."""
        progress = self.progress
        if progress is None or progress.has_switched:
            return self.step
        share = share_at(self.program, progress.index, "")
        return self.step if share is None else f"{self.step}, {describe(share)}"

    def state(self) -> State | None:
        """What it is doing; None before it has begun."""
        return None if self.progress is None else self.progress.state


@dataclass(slots=True)
class _Trail:
    """Where a rollout is, and the notes of how it got there."""

    deployment: str
    spec: InstanceSpec
    at: Progress | None
    notes: list[actions.Proceed] = field(default_factory=list)

    def go(self, after: Progress | None, why: str, granted: str = "") -> None:
        """On to `after`, if that is elsewhere or grants a wish."""
        if after == self.at and not granted:
            return
        reason = Reason(Why.STEP, why)
        note = actions.Proceed(self.deployment, self.at, after, self.spec, reason, granted)
        self.notes.append(note)
        self.at = after


def pursue(fleet: Fleet, views: list[View], facts: Facts) -> Pursuit:
    """As far as the facts go by now."""
    deployment = views[0].deployment
    program = deployment.program
    known = fleet.rollout(deployment.key)
    wish, trail = known.wish, _Trail(deployment.key, views[0].wanted, known.progress)
    if ends.is_left(known, deployment):
        trail.notes += ends.left(fleet, deployment)
        trail.at = wish = None
    is_late = trail.at is None and fleet.has_settled(deployment)
    if trail.at is None and not is_late:
        begun = _begun(program, deployment.revision, facts)
        trail.go(begun, _words(program, begun))
    if trail.at is not None and trail.at.program != program.digest:
        _take(trail, program, (Event.CHANGED, "the strategy was changed in Git"), facts)
        if wish is not None and wish.verb in _OF_A_STEP:
            trail.go(trail.at, f"{wish.verb} was about the strategy before", wish.id)
            wish = None
    if trail.at is not None and trail.at.code == Event.SUSPENDED:
        _take(trail, program, (Event.RESUME, "Git no longer says suspend: true"), facts)
    if wish is not None:
        _grant(trail, program, wish, facts)
    _follow(trail, program, facts)
    return Pursuit(program, trail.at, tuple(trail.notes), is_late)


def _take(trail: _Trail, program: Program, event: tuple[Event, str], facts: Facts) -> None:
    if trail.at is None:
        return
    after = table.step(program, trail.at, event[0], facts.now, reason=event[1])
    after = runs.begun(program, after, facts.templates, facts.now)
    trail.go(after, f"{event[0]}: {_words(program, after)}")


def _grant(trail: _Trail, program: Program, wish: Wish, facts: Facts) -> None:
    """Once, whether or not the table has something for it."""
    event, after = table.ASKED[wish.verb], trail.at
    if after is not None:
        after = table.step(program, after, event, facts.now, reason=wish.reason)
        after = runs.begun(program, after, facts.templates, facts.now)
    trail.go(after, f"{event}, {wish.reason}: {_words(program, after)}", wish.id)


def _follow(trail: _Trail, program: Program, facts: Facts) -> None:
    """One event after the other, each seen from where the one before has led."""
    if trail.at is not None and trail.at.program == program.digest:
        trail.go(runs.begun(program, trail.at, facts.templates, facts.now), "an analysis begins")
    if trail.at is not None and trail.at.program == program.digest:
        trail.go(runs.given_up(program, trail.at, facts.now), "an analysis takes too long")
    for _ in range(len(program.steps) + 2):
        before = trail.at
        if before is None or before.program != program.digest:
            return
        event = runs.event(before) or _by_fact(program, before, facts)
        if event is None:
            return
        _take(trail, program, event, facts)
        if trail.at == before:
            return


def _begun(program: Program, revision: str, facts: Facts) -> Progress | None:
    """Once every host of the wave has an accepted candidate, and at least one has no traffic.

    Where nothing serves yet there is nothing to share traffic with: all of it moves at once.
    """
    stages = facts.wave.among(facts.stages)
    ready = facts.reached(Stage.ACCEPTED)
    if not ready or not _NOT_ACCEPTED.isdisjoint(stages.values()):
        return None
    is_first = all(view.stable is None for view in ready)
    first = program.promotes_at if program.shares and is_first else 0
    progress = table.begin(program, revision, facts.now, at=first)
    return runs.begun(program, progress, facts.templates, facts.now)


def _by_fact(program: Program, progress: Progress, facts: Facts) -> tuple[Event, str] | None:
    match progress.state:
        case State.SHIFTING if _is_shared(program, progress, facts):
            return Event.IN_PLACE, ""
        case State.WAITING if facts.now >= (pause_until(program, progress) or 0.0):
            return Event.ELAPSED, ""
        case State.MEASURING if progress.analysis is None:
            return Event.SUCCEEDED, ""
        case State.PROMOTING if _is_switched(facts):
            return Event.IN_PLACE, ""
        case State.BAKING if _is_baked(facts):
            return Event.ELAPSED, ""
        case _:
            return None


def pause_until(program: Program, progress: Progress) -> float | None:
    """When the present pause ends by itself."""
    step = program.steps[progress.index]
    match step:
        case Pause(seconds) if seconds is not None:
            return progress.since + seconds
        case _:
            return None


def wanted_share(program: Program, progress: Progress, view: View) -> Share | None:
    """What the candidate should get on this host: nothing where it is not well, or alone."""
    if progress.has_switched or progress.state in (State.ENDED, State.ABORTED):
        return None
    if view.stable is None or not is_healthy(view.seat.instance_of(view.wanted)):
        return None
    return share_at(program, progress.index, view.wanted.name)


def _is_shared(program: Program, progress: Progress, facts: Facts) -> bool:
    """On every host that has come so far; those that are late catch up by themselves."""
    there = facts.reached(Stage.ACCEPTED)
    return bool(there or facts.reached(Stage.ROUTED, Stage.BAKED)) and all(
        view.seat.share_of(view.wanted) == wanted_share(program, progress, view)
        for view in there
        if view.stable is not None
    )


def _is_switched(facts: Facts) -> bool:
    """All that may move have: the wave's own hosts, where there are waves."""
    there = facts.reached(Stage.ROUTED, Stage.BAKED)
    return (
        bool(there)
        and not facts.reached(Stage.ACCEPTED)
        and all(is_healthy(view.seat.instance_of(view.wanted)) for view in there)
    )


def _is_baked(facts: Facts) -> bool:
    return bool(facts.reached(Stage.BAKED)) and not facts.reached(Stage.ROUTED, Stage.ACCEPTED)


def _words(program: Program, progress: Progress | None) -> str:
    if progress is None:
        return "there is no rollout to act on"
    where = place(program, progress.index)
    match progress.state:
        case State.SHIFTING:
            what = describe(share_at(program, progress.index, ""))
        case State.HELD | State.ABORTED:
            what = f"{progress.state}, {progress.reason}"
        case _:
            what = progress.state
    return f"{where}, {what}"
