"""Takes one measurement of an analysis: a query, a look at what instances count, a comparison.

A measurement never raises: what goes wrong is `Trouble`, in words for people. What may be
reached is in the reconciler's configuration; Git names it and decides nothing about it.
"""

from reconciler.core.kinds.analysis import Metric
from reconciler.core.kinds.online import Drift, Labels
from reconciler.core.kinds.providers import Comparison, Http, Prometheus, RuntimeNumbers, Sequential
from reconciler.core.measurements import Measurement, Trouble
from reconciler.measuring import checks, comparison, drift, labels, numbers, prometheus
from reconciler.measuring.context import Context, Site, Variant
from registry import errors

__all__ = ["Context", "Site", "Variant", "measure"]


def measure(metric: Metric, context: Context) -> Measurement:  # noqa: C901, PLR0911  an arm each
    """One measurement of `metric`."""
    try:
        match metric.provider.one:
            case Prometheus() as asked:
                return prometheus.measure(asked, context)
            case Http() as asked:
                return checks.measure(asked, context)
            case RuntimeNumbers() as asked:
                return numbers.measure(asked, metric, context)
            case Sequential() as asked:
                return numbers.test(asked, context)
            case Comparison() as asked:
                return comparison.measure(asked, metric, context)
            case Drift() as asked:
                return drift.measure(asked, metric, context)
            case Labels() as asked:
                return labels.measure(asked, metric, context)
    except errors.PlimsollError as error:
        return Trouble(error.detail)
