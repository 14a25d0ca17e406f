"""An experiment on its way, and what it came to: what is remembered of it, and its JSON form. Pure.

A run takes what its file asked for with it, so that a file that is wrong for a while changes
nothing, and one that was changed begins anew.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from reconciler.core.experiments import evidence, totals
from reconciler.core.experiments.evidence import Design, Evidence, Sums
from reconciler.core.experiments.totals import Increment
from reconciler.core.kinds.experiment import (
    Experiment,
    ExperimentSpec,
    Guardrail,
    Observed,
    Primary,
)
from reconciler.core.measurements import Trouble
from registry.core import canonical, fields, reading, strict
from registry.core.canonical import Json
from registry.errors import InvalidInput

_WHAT = "experiment under way"
_LONGEST_TEXT = 500


class Verdict(StrEnum):
    """What an experiment comes to."""

    TREATMENT = "treatment"
    CONTROL = "control"
    NO_DIFFERENCE = "noDifference"
    GUARDRAIL = "guardrail"
    MISMATCH = "mismatch"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Decision:
    """It is over; `reason` is for people."""

    verdict: Verdict
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Told:
    """How far Git was told of the winner: `where` it can be seen, or why it cannot be yet."""

    where: str = ""
    trouble: str = ""
    tries: int = 0
    at: float = 0.0


NOT_TOLD = Told()


@dataclass(frozen=True, slots=True)
class Run:
    """One experiment since `began_at`. `seen` has what was observed and `memo` what its source
    wants back, both by metric; `trouble` is why the last looks, `troubles` of them, saw nothing.
    """

    name: str
    spec: ExperimentSpec
    began_at: float
    seen: Mapping[str, Evidence] = field(default_factory=dict)
    memo: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    looks: int = 0
    looked_at: float = 0.0
    troubles: int = 0
    trouble: str = ""
    decision: Decision | None = None
    told: Told = NOT_TOLD

    @property
    def id(self) -> str:
        """The same for this run for ever, and for no other."""
        parts = self.name, self.spec.model_dump_json(), repr(self.began_at)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def is_of(self, asked: Experiment) -> bool:
        """Whether it is what `asked` asks for."""
        return (self.name, self.spec) == (asked.metadata.name, asked.spec)

    def of(self, metric: Observed) -> Evidence:
        """What was observed of `metric`."""
        return self.seen.get(metric.name, Evidence())

    @property
    def next_look_at(self) -> float:
        """When both variants should be looked at again."""
        return self.looked_at + strict.duration_seconds(self.spec.interval)

    @property
    def ends_at(self) -> float:
        """When its time is over."""
        return self.began_at + strict.duration_seconds(self.spec.horizon.time)


def design(spec: ExperimentSpec, metric: Observed) -> Design:
    """The test of one metric; all guardrails share one alpha."""
    bounds = metric.bounds
    width = 1.0 if bounds is None else bounds[1] - bounds[0]
    deviation = metric.mean.deviation if metric.mean is not None else None
    match metric:
        case Primary(smallest_effect=smallest):
            return Design(spec.alpha, smallest / width, deviation)
        case Guardrail(worse_by=worse):
            return Design(spec.alpha / len(spec.guardrails), worse / width, deviation)
    raise TypeError(metric)


def looked(
    run: Run, asked: Run, found: Sequence[tuple[str, Increment | Trouble]], now: float
) -> Run:
    """The run after a look at it as it was when `asked`; another run, or a later one, stays."""
    if (run.id, run.looks) != (asked.id, asked.looks) or run.decision is not None:
        return run
    seen, memo, troubles = dict(run.seen), dict(run.memo), list[str]()
    metrics = {metric.name: metric for metric in run.spec.observed()}
    for name, one in found:
        pair = one if isinstance(one, Trouble) else totals.scaled(metrics[name], one)
        if isinstance(pair, Trouble):
            troubles.append(f"{name}: {pair.reason}")
        elif not isinstance(one, Trouble):
            test = design(run.spec, metrics[name])
            seen[name] = evidence.after(test, run.of(metrics[name]), *pair)
            memo[name] = one.memo
    return replace(
        run,
        seen=seen,
        memo=memo,
        looks=run.looks + 1,
        looked_at=now,
        troubles=run.troubles + 1 if troubles else 0,
        trouble="; ".join(troubles)[:_LONGEST_TEXT],
    )


def document(run: Run) -> dict[str, Json]:
    """What `read` reads."""
    decision = run.decision
    return {
        "name": run.name,
        "spec": run.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
        "beganAt": run.began_at,
        "seen": {name: asdict(one) for name, one in run.seen.items()},
        "memo": {name: {**one} for name, one in run.memo.items()},
        "looks": run.looks,
        "lookedAt": run.looked_at,
        "troubles": run.troubles,
        "trouble": run.trouble,
        "decision": None if decision is None else asdict(decision),
        "told": asdict(run.told),
    }


def read(source: Mapping[str, Json]) -> Run:
    """What `document` wrote; raises `InvalidInput`."""
    known = dict(source)
    spec = canonical.encode(fields.mapping(known, "spec", what=_WHAT))
    seen = fields.mapping(known, "seen", what=_WHAT)
    memo = fields.mapping(known, "memo", what=_WHAT)
    decision = known.get("decision")
    return Run(
        name=fields.text(known, "name", what=_WHAT),
        spec=reading.part(canonical.decode_object(spec, what=_WHAT), ExperimentSpec, what=_WHAT),
        began_at=_number(known, "beganAt"),
        seen={name: _evidence(_object(one)) for name, one in seen.items()},
        memo={name: _object(one) for name, one in memo.items()},
        looks=fields.integer(known, "looks", what=_WHAT),
        looked_at=_number(known, "lookedAt"),
        troubles=fields.integer(known, "troubles", what=_WHAT),
        trouble=fields.text(known, "trouble", what=_WHAT),
        decision=None if decision is None else _decision(_object(decision)),
        told=_told(fields.mapping(known, "told", what=_WHAT)),
    )


def _evidence(source: dict[str, Json]) -> Evidence:
    control, treatment, open_control, open_treatment = (
        _sums(_object(source.get(name)))
        for name in ("control", "treatment", "open_control", "open_treatment")
    )
    numbers = {name: _number(source, name) for name in ("gain", "weight", "spread", "tilt")}
    return Evidence(control, treatment, open_control, open_treatment, **numbers)


def _sums(source: dict[str, Json]) -> Sums:
    return Sums(*(_number(source, name) for name in ("count", "total", "squares")))


def _decision(source: dict[str, Json]) -> Decision:
    text = fields.text(source, "verdict", what=_WHAT)
    if text not in set(Verdict):
        raise InvalidInput(f"{_WHAT}: verdict {text[:40]!r} does not exist")
    reason = fields.text(source, "reason", what=_WHAT)
    return Decision(Verdict(text), reason, _number(source, "at"))


def _told(source: dict[str, Json]) -> Told:
    return Told(
        fields.text(source, "where", what=_WHAT),
        fields.text(source, "trouble", what=_WHAT),
        fields.integer(source, "tries", what=_WHAT),
        _number(source, "at"),
    )


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{_WHAT}: expected an object, found {type(value).__name__}")
    return value


def _number(source: dict[str, Json], name: str) -> float:
    found = fields.finite(source.get(name))
    if found is None:
        raise InvalidInput(f"{_WHAT}: {name} is no number")
    return found
