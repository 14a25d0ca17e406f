"""A template's metrics, slices, fairness and sanity against what was answered. Pure."""

from typing import Any

import numpy as np
import numpy.typing as npt

from reconciler.core.golden import Golden
from reconciler.core.kinds.measures import Bounds, Higher
from reconciler.core.kinds.template import AcceptanceSpec
from reconciler.core.scoring import answers, bounds, fairness, sanity
from reconciler.core.scoring.answers import Answers
from reconciler.core.scoring.bounds import Case, Judged
from registry.core.canonical import Json

Answered = npt.NDArray[Any]


def compares(spec: AcceptanceSpec) -> bool:
    """Whether a bound is about the serving version's answers."""
    parts: list[Bounds] = [spec.metrics, *(one.metrics for one in spec.slices)]
    return any(
        (bound.max_drop if isinstance(bound, Higher) else bound.max_rise) is not None
        for part in parts
        for _, bound in part.asked
    )


def judged(spec: AcceptanceSpec, data: Golden, mine: Answered, theirs: Answered | None) -> Judged:
    """Raises `InvalidInput` where answers are none of the kind that is asked for."""
    found = Judged(metrics={"samples": len(data.labels), "dataset": spec.dataset.digest})
    if broken := sanity.broken(mine, data.labels):
        found.reasons.extend(broken)
        return found
    if len(data.labels) < spec.minimum_samples:
        found.reasons.append(_few(len(data.labels), spec.minimum_samples))
    candidate = _read(spec, data, mine)
    serving = None if theirs is None or sanity.broken(theirs, data.labels) else theirs
    compared = None if serving is None else _read(spec, data, serving)
    everything = Case(candidate, compared, np.ones(len(data.labels)))
    _add(found, bounds.judged(spec.metrics, everything))
    _judge_slices(spec, data, everything, found)
    if spec.sanity is not None:
        one = sanity.judged(spec.sanity, candidate)
        found.reasons.extend(one.reasons)
        found.metrics["sanity"] = one.metrics
    return found


def _judge_slices(spec: AcceptanceSpec, data: Golden, everything: Case, found: Judged) -> None:
    weights = {name: mask.astype(np.float64) for name, mask in data.slices.items()}
    slices: dict[str, Json] = {}
    for one in spec.slices:
        case = Case(everything.mine, everything.theirs, weights[one.name], f"slice {one.name}: ")
        if case.samples < one.minimum_samples:
            found.reasons.append(case.where + _few(case.samples, one.minimum_samples))
        judged = bounds.judged(one.metrics, case)
        found.reasons.extend(judged.reasons)
        slices[one.name] = {"samples": case.samples, **judged.metrics}
    if slices:
        found.metrics["slices"] = slices
    gaps = [fairness.judged(one, everything.mine, weights) for one in spec.fairness]
    if gaps:
        found.reasons.extend(reason for one in gaps for reason in one.reasons)
        found.metrics["fairness"] = [one.metrics for one in gaps]


def _read(spec: AcceptanceSpec, data: Golden, answered: Answered) -> Answers:
    if spec.asks_classes:
        return answers.classes(answered, data.labels)
    return answers.numbers(answered, data.labels)


def _add(found: Judged, more: Judged) -> None:
    found.reasons.extend(more.reasons)
    found.metrics.update(more.metrics)


def _few(samples: int, least: int) -> str:
    return f"{samples} samples, at least {least} are wanted"
