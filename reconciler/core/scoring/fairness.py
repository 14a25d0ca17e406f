"""How far a metric lies apart between slices. Pure."""

import math
from collections.abc import Mapping

import numpy as np

from reconciler.core.kinds.measures import Fairness
from reconciler.core.scoring import choosing, measure
from reconciler.core.scoring.answers import Answers, Floats
from reconciler.core.scoring.bounds import ROUNDING, Judged
from reconciler.core.scoring.choosing import Metric
from registry.core.canonical import Json


def judged(asked: Fairness, answers: Answers, slices: Mapping[str, Floats]) -> Judged:
    """`slices` has the weights of each."""
    metric = Metric(asked.metric, average=asked.average)
    prepared = choosing.prepared(metric, answers)
    values = {name: prepared(slices[name]) for name in asked.between}
    for name, value in values.items():
        if math.isnan(value):
            why = choosing.lacking(metric, answers)
            said = f"fairness: {asked.metric} of slice {name} cannot be measured: {why}"
            return Judged([said], {})
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    gap, how = values[high] - values[low], "differs"

    def apart(weights: Floats) -> float:
        found = [prepared(weights * slices[name]) for name in asked.between]
        return max(found) - min(found)

    rounded: dict[str, Json] = {name: round(value, 6) for name, value in values.items()}
    metrics: dict[str, Json] = {"metric": asked.metric, "values": rounded, "gap": round(gap, 6)}
    if asked.confidence is not None:
        among = np.maximum.reduce([slices[name] for name in asked.between])
        interval = measure.bootstrap(apart, among, asked.confidence)
        gap = math.inf if interval is None else interval.high
        metrics["gapUpperEnd"] = None if interval is None else round(gap, 6)
        how = f"may, at {asked.confidence * 100:g} % confidence, differ"
    if gap <= asked.max_gap + ROUNDING:
        return Judged([], metrics)
    reason = (
        f"fairness: {asked.metric} {how} by {gap:.3f} between {low} ({values[low]:.3f}) and "
        f"{high} ({values[high]:.3f}), at most {asked.max_gap:g} is allowed"
    )
    return Judged([reason], metrics)
