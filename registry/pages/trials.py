"""Experiments as pages show them: the variants, what is measured of them, and how sure that is."""

from dataclasses import dataclass
from datetime import datetime

from registry.core.canonical import Json
from registry.pages import charts, deployed, views
from registry.pages.charts import Interval
from registry.pages.deployed import Version
from registry.pages.views import Moment, Status

_TONES = {"running": "busy", "better": "good", "worse": "bad", "treatment": "good"}


@dataclass(frozen=True, slots=True)
class Metric:
    """The means of control and treatment, and the difference with its confidence sequence."""

    name: str
    better: str
    observations: tuple[float, ...]
    means: tuple[float, ...]
    interval: tuple[float, ...]
    confidence: float
    text: str

    @property
    def drawn(self) -> Interval | None:
        """None before there is one."""
        if len(self.interval) != 2:
            return None
        low, high = self.interval
        return charts.interval(self.name, low, high, is_higher_better=self.better != "lower")


@dataclass(frozen=True, slots=True)
class Experiment:
    """One that is under way, or is over; `variants` with their weights."""

    name: str
    deployment: str
    state: Status
    began: Moment | None
    ends: Moment | None
    variants: tuple[tuple[str, Version, float], ...]
    metrics: tuple[Metric, ...]
    trouble: str


def of(document: dict[str, Json], now: datetime) -> Experiment | None:
    """That of a deployment's status document, if it has one."""
    said = views.mapping(document.get("experiment"))
    if not said:
        return None
    # Variants are of the deployment's own model, which they need not repeat.
    model = deployed.version(document.get("desired")).model
    state = views.text(said, "state") or "unknown"
    return Experiment(
        name=views.text(said, "name"),
        deployment=views.text(said, "deployment"),
        state=Status("experiment", state, _TONES.get(state, "quiet"), views.text(said, "reason")),
        began=deployed.at(said.get("began"), now),
        ends=deployed.at(said.get("ends"), now),
        variants=tuple(
            (views.text(one, "name"), deployed.version({"model": model, **one}), _weight(one))
            for one in views.mappings(said.get("variants"))
        ),
        metrics=tuple(_metric(one) for one in views.mappings(said.get("metrics"))),
        trouble=views.text(said, "trouble"),
    )


def _weight(variant: dict[str, Json]) -> float:
    value = variant.get("weight")
    return float(value) if isinstance(value, int | float) else 0.0


def _metric(said: dict[str, Json]) -> Metric:
    confidence = said.get("confidence")
    return Metric(
        name=views.text(said, "name"),
        better=views.text(said, "better"),
        observations=_numbers(said.get("observations")),
        means=_numbers(said.get("means")),
        interval=_numbers(said.get("interval")),
        confidence=float(confidence) if isinstance(confidence, int | float) else 0.0,
        text=views.text(said, "text"),
    )


def _numbers(value: Json) -> tuple[float, ...]:
    return tuple(charts.numbers(value)) if isinstance(value, list) else ()
