"""How right the answers were, by labels that were posted to the instances later."""

import math

from reconciler.core.kinds.analysis import Metric
from reconciler.core.kinds.experiment import Labelled
from reconciler.core.kinds.online import Labels
from reconciler.core.measurements import Found, Measurement, NotEnough
from reconciler.measuring import pages, watched
from reconciler.measuring.context import Context, Variant
from reconciler.measuring.watched import Count, Looked
from registry import errors
from registry.core import fields
from registry.core.canonical import Json

_NUMBERS = ("labelled", "right", "absolute", "squared")
_OF_CLASSES = frozenset({"accuracy", "errorRate"})


def measure(asked: Labels, metric: Metric, context: Context) -> Measurement:
    """Raises `Unavailable`."""
    looked = watched.look(context, lambda variant: _analysed(asked, metric, context, variant))
    if "candidate" not in looked.came:
        return NotEnough("counting begins", 0, looked.memo)
    samples = int(min(looked.came[name][0] for name in watched.judged(metric, looked)))
    if not samples or samples < (metric.minimum_samples or 1):
        text = f"{samples} labels since the last measurement"
        return NotEnough(text, samples, looked.begun)
    values: dict[str, Json] = {
        name: _value(asked, came) for name, came in looked.came.items() if came[0]
    }
    return Found(values["candidate"], samples, values, looked.memo)


def _value(asked: Labels, came: tuple[float, ...]) -> float:
    labelled, right, absolute, squared = came
    match asked.metric:
        case "accuracy":
            return right / labelled
        case "errorRate":
            return 1 - right / labelled
        case "meanAbsoluteError":
            return absolute / labelled
        case "rootMeanSquaredError":
            return math.sqrt(squared / labelled)


def look(asked: Labelled, interval: str, context: Context) -> Looked:
    """Rows of how many labels came, how many were right, and the differences' sum and squares.

    Counting is for this experiment alone: what an instance remembers for an earlier question is
    of before the variants shared their users. Raises `Unavailable`.
    """
    purpose = "experiment {experiment} of {began}".format_map(context.args)
    question: dict[str, Json] = {
        "seconds": watched.lease(interval),
        "output": asked.output,
        "kind": asked.kind,
        "purpose": purpose,
    }
    return watched.look(context, lambda variant: _counted(question, context, variant))


def _analysed(asked: Labels, metric: Metric, context: Context, variant: Variant) -> Count:
    question: dict[str, Json] = {
        "seconds": watched.seconds(metric),
        "output": asked.output,
        "kind": "class" if asked.metric in _OF_CLASSES else "number",
    }
    return _counted(question, context, variant)


def _counted(question: dict[str, Json], context: Context, variant: Variant) -> Count:
    body: dict[str, Json] = {"model": context.model, "version": variant.version, **question}
    found = pages.posted(variant, "/plimsoll/outcomes", body)
    numbers = [fields.finite(found.get(name)) for name in _NUMBERS]
    known = tuple(one for one in numbers if one is not None and one >= 0)
    if len(known) != len(numbers):
        raise errors.Unavailable(f"{variant.instance} does not say what labels came to")
    return Count(str(found.get("since")), known, str(found.get("problem") or ""))
