"""How traffic moves to a new version: one of six strategies, with Argo Rollouts' field names.

`docs/rollouts.md` says of each what happens when, and what happens on failure.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.kinds.analysis import AnalysisReference, AwaitedAnalysis
from reconciler.core.kinds.patterns import Pattern
from registry.core.strict import Duration, Strict

_STRATEGIES = {
    "rolling": "rolling",
    "blueGreen": "blue_green",
    "canary": "canary",
    "abTest": "ab_test",
    "shadow": "shadow",
    "inPlace": "in_place",
}
_HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
_OWN_HEADERS = "plimsoll-"

Delay = Annotated[int, Field(ge=0, le=86400)]
Percent = Annotated[int, Field(ge=0, le=100)]
HeaderName = Annotated[str, Field(pattern=_HEADER, max_length=64)]
Place = tuple[str | int, ...]


def _require_one(chosen: dict[str, object], what: str, fix: str) -> None:
    named = [name for name, value in chosen.items() if value is not None]
    if len(named) == 1:
        return
    found = "there is none" if not named else f"there are {' and '.join(named)}"
    raise PydanticCustomError(
        "exactly_one", "{what}, and {found}", {"what": what, "found": found, "fix": fix}
    )


class Rolling(Strict):
    """Host after host: the next one begins once the one before serves the successor.

    Predecessors stay, without traffic, until all hosts have served for the delay.
    """

    scale_down_delay_seconds: Delay = 30


class BlueGreen(Strict):
    """The successor takes all traffic at once; the predecessor stays for a while longer.

    Without `autoPromotionEnabled` an accepted candidate waits: for `autoPromotionSeconds` where
    they are given, else until a person promotes it or a commit turns it on.
    """

    scale_down_delay_seconds: Delay = 30
    auto_promotion_enabled: bool = True
    auto_promotion_seconds: Delay | None = None
    pre_promotion_analysis: AwaitedAnalysis | None = None
    post_promotion_analysis: AwaitedAnalysis | None = None


class PauseFor(Strict):
    """Without a `duration` a person ends it, with `plimsoll promote`."""

    duration: Duration | None = None


class HeaderValue(Strict):
    """Exactly one of; `regex` must match the whole value."""

    exact: str | None = None
    prefix: str | None = None
    regex: Pattern | None = None

    @model_validator(mode="after")
    def _one(self) -> "HeaderValue":
        fix = "write one of exact: a, prefix: a, regex: a.*"
        found: dict[str, object] = {
            "exact": self.exact,
            "prefix": self.prefix,
            "regex": self.regex,
        }
        _require_one(found, "one of exact, prefix and regex is asked for", fix)
        return self


class HeaderRule(Strict):
    """Requests whose header has such a value."""

    header_name: HeaderName
    header_value: HeaderValue

    @model_validator(mode="after")
    def _not_ours(self) -> "HeaderRule":
        if self.header_name.lower().startswith(_OWN_HEADERS):
            raise PydanticCustomError(
                "own_header",
                "headers that begin with plimsoll- are the ingress's own",
                {"at": ("headerName",), "fix": "use another header"},
            )
        return self


class SetHeaderRoute(Strict):
    """Requests that match all of `match` go to the candidate, whatever its weight; an empty list
    ends that."""

    match: Annotated[list[HeaderRule], Field(max_length=16)]


class SetMirrorRoute(Strict):
    """The candidate gets a copy of this share of requests; nobody sees its answers."""

    percentage: Percent


class StepOf(Strict):
    """Exactly one of these."""

    set_weight: Percent | None = None
    pause: PauseFor | None = None
    analysis: AwaitedAnalysis | None = None
    set_header_route: SetHeaderRoute | None = None
    set_mirror_route: SetMirrorRoute | None = None

    @model_validator(mode="after")
    def _one(self) -> "StepOf":
        fix = "begin each step with a dash of its own: - setWeight: 10"
        found: dict[str, object] = {
            "setWeight": self.set_weight,
            "pause": self.pause,
            "analysis": self.analysis,
            "setHeaderRoute": self.set_header_route,
            "setMirrorRoute": self.set_mirror_route,
        }
        _require_one(found, "a step does one thing", fix)
        return self


Steps = Annotated[list[StepOf], Field(min_length=1, max_length=100)]


class Background(AnalysisReference):
    """An analysis that runs beside the steps, from `startingStep` (the first is 0) on."""

    starting_step: Annotated[int, Field(ge=0, le=100)] = 0


class Canary(Strict):
    """The successor gets more and more of the traffic, step by step, on all hosts together."""

    steps: Steps
    analysis: Background | None = None
    scale_down_delay_seconds: Delay = 30

    @model_validator(mode="after")
    def _starts_within(self) -> "Canary":
        if self.analysis is not None and self.analysis.starting_step >= len(self.steps):
            raise PydanticCustomError(
                "starting_step",
                "there are only {count} steps, and the first is 0",
                {
                    "count": len(self.steps),
                    "at": ("analysis", "startingStep"),
                    "fix": "name a step that exists, or leave startingStep out",
                },
            )
        return self


class StickyTo(Strict):
    """What tells one client from another: a cookie of ours, or a header that clients send."""

    cookie: HeaderName | None = None
    header: HeaderName | None = None

    @model_validator(mode="after")
    def _one(self) -> "StickyTo":
        fix = "write cookie: plimsoll, or header: x-user"
        found: dict[str, object] = {"cookie": self.cookie, "header": self.header}
        _require_one(found, "clients are told apart by either a cookie or a header", fix)
        return self


class AbTest(Strict):
    """A canary whose clients stay where they were sent: a growing share moves nobody back."""

    sticky: StickyTo
    steps: Steps
    scale_down_delay_seconds: Delay = 30


class Shadow(Strict):
    """The successor gets copies of requests for `duration`; clients never see its answers.

    Then it is promoted, or, as `onSuccess` says, waits for a person or ends there.
    """

    percentage: Annotated[int, Field(ge=1, le=100)] = 100
    duration: Duration
    analysis: AnalysisReference | None = None
    on_success: Literal["promote", "pause", "end"] = "promote"
    scale_down_delay_seconds: Delay = 30


class InPlace(Strict):
    """Swapped inside the one runtime of a process:// host; the predecessor leaves at once."""


class Strategy(Strict):
    """How traffic moves to a new version: exactly one of these."""

    rolling: Rolling | None = None
    blue_green: BlueGreen | None = None
    canary: Canary | None = None
    ab_test: AbTest | None = None
    shadow: Shadow | None = None
    in_place: InPlace | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Strategy":
        found = {name: getattr(self, field) for name, field in _STRATEGIES.items()}
        fix = f"write one of {', '.join(_STRATEGIES)}, such as blueGreen: {{}}"
        _require_one(found, "one strategy is asked for", fix)
        return self

    @property
    def one(self) -> Rolling | BlueGreen | Canary | AbTest | Shadow | InPlace:
        """The one that is there."""
        for chosen in (self.rolling, self.blue_green, self.canary, self.ab_test, self.shadow):
            if chosen is not None:
                return chosen
        return self.in_place or InPlace()

    @property
    def name(self) -> str:
        """Its name, as the file has it."""
        return next(name for name, field in _STRATEGIES.items() if getattr(self, field) is not None)

    @property
    def scale_down_delay_seconds(self) -> int:
        """For how long a predecessor stays, without traffic."""
        match self.one:
            case InPlace():
                return 0
            case chosen:
                return chosen.scale_down_delay_seconds

    def analyses(self) -> Iterator[tuple[Place, AnalysisReference]]:
        """Those that it names, each with its place in `spec`."""
        named: dict[str, AnalysisReference | None]
        match self.one:
            case BlueGreen() as chosen:
                named = {
                    "prePromotionAnalysis": chosen.pre_promotion_analysis,
                    "postPromotionAnalysis": chosen.post_promotion_analysis,
                }
            case Canary() as chosen:
                yield from _in_steps(self.name, chosen.steps)
                named = {"analysis": chosen.analysis}
            case AbTest() as chosen:
                yield from _in_steps(self.name, chosen.steps)
                named = {}
            case Shadow() as chosen:
                named = {"analysis": chosen.analysis}
            case Rolling() | InPlace():
                named = {}
        for name, one in named.items():
            if one is not None:
                yield ("strategy", self.name, name), one

    @property
    def beside(self) -> AnalysisReference | None:
        """The analysis that runs beside the steps, and so need not end by itself."""
        match self.one:
            case Canary() | Shadow() as chosen:
                return chosen.analysis
            case Rolling() | BlueGreen() | AbTest() | InPlace():
                return None


def _in_steps(strategy: str, steps: list[StepOf]) -> Iterator[tuple[Place, AnalysisReference]]:
    for index, step in enumerate(steps):
        if step.analysis is not None:
            yield ("strategy", strategy, "steps", index, "analysis"), step.analysis
