"""What a strategy asks for, step by step: `compiled` makes the program, `share_at` reads it.

Each strategy is a program of the same few steps, and all of them end with `Promote` and `Bake`
(or, for a shadow that is only looked at, with `End`).
"""

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.core.kinds import strategy as files
from reconciler.core.kinds.analysis import AnalysisReference, AwaitedAnalysis
from reconciler.core.observed import HeaderMatch, Match, Share, Sticky, StickyBy
from registry.core import strict


@dataclass(frozen=True, slots=True)
class SetWeight:
    """So many percent of all requests go to the candidate."""

    percent: int


@dataclass(frozen=True, slots=True)
class SetHeaderRoute:
    """Requests with all of these headers go to the candidate."""

    headers: tuple[HeaderMatch, ...]


@dataclass(frozen=True, slots=True)
class SetMirror:
    """The candidate gets a copy of so many percent of all requests."""

    percent: int


@dataclass(frozen=True, slots=True)
class Pause:
    """For so many seconds; until a person goes on, where there are none."""

    seconds: int | None


@dataclass(frozen=True, slots=True)
class Analyse:
    """Go on once these templates, with these arguments, have succeeded, which is given up after
    `timeout` seconds."""

    templates: tuple[str, ...]
    args: tuple[tuple[str, str], ...]
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class Observe:
    """So many percent of all users stay with the candidate, for as long as the experiment runs."""

    percent: int


@dataclass(frozen=True, slots=True)
class Conclude:
    """The analysis that ran beside the steps must have seen that all is well."""


@dataclass(frozen=True, slots=True)
class Promote:
    """All traffic to the candidate, on all hosts."""


@dataclass(frozen=True, slots=True)
class Bake:
    """The predecessor stays for so many seconds, without traffic."""

    seconds: int


@dataclass(frozen=True, slots=True)
class End:
    """The candidate was only looked at: it leaves again."""


Step: TypeAlias = (
    SetWeight
    | SetHeaderRoute
    | SetMirror
    | Pause
    | Analyse
    | Observe
    | Conclude
    | Promote
    | Bake
    | End
)


_SHARING = SetWeight | SetHeaderRoute | SetMirror | Observe


@dataclass(frozen=True, slots=True)
class Beside:
    """An analysis that runs beside the steps from `first` on, until all traffic has moved."""

    what: Analyse
    first: int


@dataclass(frozen=True, slots=True)
class Program:
    """`promotes_at` is the index of its `Promote`; past the last step everything is done."""

    steps: tuple[Step, ...]
    sticky: Sticky | None = None
    beside: Beside | None = None

    @property
    def promotes_at(self) -> int:
        """The index of its `Promote`."""
        return next(i for i, step in enumerate(self.steps) if isinstance(step, Promote))

    @property
    def shares(self) -> bool:
        """Whether a candidate gets a part of the traffic before it gets all of it."""
        return any(isinstance(step, _SHARING) for step in self.steps)

    @property
    def digest(self) -> str:
        """Another one for another program: steps may be edited while they run."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def compiled(strategy: files.Strategy) -> Program:
    """The program of `strategy`."""
    delay = strategy.scale_down_delay_seconds
    last: tuple[Step, ...] = (Promote(), Bake(delay))
    match strategy.one:
        case files.Rolling() | files.InPlace():
            return Program(last)
        case files.BlueGreen() as chosen:
            return Program(_blue_green(chosen))
        case files.Canary() as chosen:
            steps = _steps(chosen.steps)
            if chosen.analysis is None:
                return Program((*steps, *last))
            beside = Beside(_analyse(chosen.analysis), chosen.analysis.starting_step)
            return Program((*steps, Conclude(), *last), beside=beside)
        case files.AbTest() as chosen:
            return Program((*_steps(chosen.steps), *last), sticky=sticky(chosen.sticky))
        case files.Shadow() as chosen:
            return _shadow(chosen)


def observing(percent: int, by: Sticky, delay: int) -> Program:
    """The program of an experiment, whose end is another deployment."""
    return Program((Observe(percent), Promote(), Bake(delay)), sticky=by)


def share_at(program: Program, index: int, instance: str) -> Share | None:
    """What `instance` gets of the traffic while step `index` is in force; None is nothing."""
    weight, mirror, headers = 0, 0, tuple[HeaderMatch, ...]()
    for step in program.steps[: index + 1]:
        match step:
            case SetWeight(percent) | Observe(percent):
                weight = percent
            case SetMirror(percent):
                mirror = percent
            case SetHeaderRoute(found):
                headers = found
            case Promote() | End():
                return None
            case Pause() | Analyse() | Conclude() | Bake():
                pass
    if not (weight or mirror or headers):
        return None
    return Share(instance, weight, mirror, headers, program.sticky)


def describe(share: Share | None) -> str:
    """`share` in a few words."""
    if share is None:
        return "none of the traffic"
    parts = [f"{share.weight} % of the traffic"] if share.weight else []
    if share.headers:
        names = ", ".join(sorted({header.name for header in share.headers}))
        parts.append(f"requests by {names}")
    if share.mirror:
        parts.append(f"copies of {share.mirror} %")
    return " and ".join(parts)


def place(program: Program, index: int) -> str:
    """Where in `program` its step `index` is: step 3/8 (pause)."""
    count = len(program.steps)
    at = min(index, count - 1)
    return f"step {at + 1}/{count} ({name(program.steps[at])})"


def name(step: Step) -> str:  # noqa: C901, PLR0911  an arm a step
    """`step` in the words of the file, where it is in there."""
    match step:
        case SetWeight(percent):
            return f"setWeight {percent}"
        case SetHeaderRoute(headers):
            return f"setHeaderRoute {', '.join(sorted({one.name for one in headers})) or 'ends'}"
        case SetMirror(percent):
            return f"setMirrorRoute {percent}"
        case Pause(seconds):
            return "pause" if seconds is None else f"pause {seconds}s"
        case Observe(percent):
            return f"experiment {percent}"
        case Analyse():
            return f"analysis {', '.join(step.templates)}"
        case Conclude():
            return "the analysis beside the steps"
        case Promote():
            return "all traffic"
        case Bake(seconds):
            return f"scaleDownDelaySeconds {seconds}"
        case End():
            return "end"


def _blue_green(chosen: files.BlueGreen) -> tuple[Step, ...]:
    steps: list[Step] = []
    if chosen.pre_promotion_analysis is not None:
        steps.append(_analyse(chosen.pre_promotion_analysis))
    if chosen.auto_promotion_seconds is not None:
        steps.append(Pause(chosen.auto_promotion_seconds))
    elif not chosen.auto_promotion_enabled:
        steps.append(Pause(None))
    steps.append(Promote())
    if chosen.post_promotion_analysis is not None:
        steps.append(_analyse(chosen.post_promotion_analysis))
    return (*steps, Bake(chosen.scale_down_delay_seconds))


def _shadow(chosen: files.Shadow) -> Program:
    steps: list[Step] = [SetMirror(chosen.percentage)]
    steps.append(Pause(strict.duration_seconds(chosen.duration)))
    beside = None
    if chosen.analysis is not None:
        beside = Beside(_analyse(chosen.analysis), 0)
        steps.append(Conclude())
    match chosen.on_success:
        case "promote":
            pass
        case "pause":
            steps.append(Pause(None))
        case "end":
            steps.append(End())
    return Program((*steps, Promote(), Bake(chosen.scale_down_delay_seconds)), beside=beside)


def _steps(steps: list[files.StepOf]) -> tuple[Step, ...]:
    return tuple(_step(step) for step in steps)


def _step(step: files.StepOf) -> Step:
    if step.set_weight is not None:
        return SetWeight(step.set_weight)
    if step.pause is not None:
        duration = step.pause.duration
        return Pause(None if duration is None else strict.duration_seconds(duration))
    if step.analysis is not None:
        return _analyse(step.analysis)
    if step.set_mirror_route is not None:
        return SetMirror(step.set_mirror_route.percentage)
    rules = step.set_header_route.match if step.set_header_route is not None else []
    return SetHeaderRoute(tuple(_header(rule) for rule in rules))


def _header(rule: files.HeaderRule) -> HeaderMatch:
    value = rule.header_value
    if value.exact is not None:
        return HeaderMatch(rule.header_name, Match.EXACT, value.exact)
    if value.prefix is not None:
        return HeaderMatch(rule.header_name, Match.PREFIX, value.prefix)
    return HeaderMatch(rule.header_name, Match.REGEX, value.regex or "")


def _analyse(reference: AnalysisReference) -> Analyse:
    timeout = reference.timeout if isinstance(reference, AwaitedAnalysis) else None
    return Analyse(
        tuple(one.template_name for one in reference.templates),
        tuple((arg.name, arg.value) for arg in reference.args),
        None if timeout is None else strict.duration_seconds(timeout),
    )


def sticky(chosen: files.StickyTo) -> Sticky:
    """By what users are told apart."""
    if chosen.cookie is not None:
        return Sticky(StickyBy.COOKIE, chosen.cookie)
    return Sticky(StickyBy.HEADER, chosen.header or "")
