"""An experiment as it is shown everywhere: in statuses, and as evidence in the log. Pure."""

import math

from reconciler.core.experiments import deciding, ratio
from reconciler.core.experiments.run import Run, design
from reconciler.core.kinds.experiment import Observed
from registry.core.canonical import Json


def document(run: Run) -> dict[str, Json]:
    """The JSON form; numbers are rounded to what anybody reads."""
    spec, decision = run.spec, run.decision
    return {
        "name": run.name,
        "deployment": spec.deployment,
        "began": run.began_at,
        "ends": run.ends_at,
        "state": "running" if decision is None else decision.verdict.value,
        "reason": "" if decision is None else decision.reason,
        "decided": None if decision is None else decision.at,
        "variants": [
            {"name": one.name, "version": one.version, "digest": one.digest, "weight": one.weight}
            for one in spec.variants
        ],
        "metrics": [_metric(run, metric) for metric in spec.observed()],
        "alpha": spec.alpha,
        "ratio": _ratio(run),
        "looks": run.looks,
        "trouble": run.trouble,
        "told": run.told.where,
    }


def _metric(run: Run, metric: Observed) -> dict[str, Json]:
    found, (control, treatment) = deciding.interval(run, metric), deciding.means(run, metric)
    counts = deciding.counts(run, metric)
    return {
        "name": metric.name,
        "better": metric.better,
        "observations": [*counts],
        "means": [_rounded(control), _rounded(treatment)],
        "interval": None if found is None else [_rounded(one) for one in found],
        "confidence": round(1 - design(run.spec, metric).alpha, 9),
        "text": deciding.standing(run, metric),
    }


def _ratio(run: Run) -> dict[str, Json]:
    seen, part = run.of(run.spec.metric), run.spec.treatment.weight / 100
    against = ratio.against(seen.control.count, seen.treatment.count, part)
    return {
        "declared": part,
        "p": _rounded(min(1.0, math.exp(-against))),
        "alpha": deciding.MISMATCH_ALPHA,
    }


def _rounded(value: float | None) -> Json:
    return None if value is None else float(f"{value:.6g}")
