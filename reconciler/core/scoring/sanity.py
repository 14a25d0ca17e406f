"""Signs of a broken model in its answers alone. Pure."""

from typing import Any

import numpy as np
import numpy.typing as npt

from reconciler.core.kinds.measures import Sanity
from reconciler.core.scoring.answers import Answers, Classes, Numbers
from reconciler.core.scoring.bounds import Judged


def broken(answered: npt.NDArray[Any], labels: npt.NDArray[Any]) -> tuple[str, ...]:
    """What no model may do, asked or not."""
    rows = answered.reshape(len(answered), -1) if answered.size else answered
    if answered.dtype.kind == "f":
        for what, is_so in (("NaN", np.isnan(rows)), ("infinity", np.isinf(rows))):
            if is_so.any():
                count = int(is_so.any(axis=-1).sum())
                return (f"sanity: {count} of {len(labels)} answers have {what}",)
    if len(rows) == len(labels) > 1 and (rows == rows[:1]).all() and (labels != labels[0]).any():
        said = f"sanity: the model answers the same to all {len(labels)} samples"
        return (f"{said}, whose right answers differ",)
    return ()


def judged(asked: Sanity, answers: Answers) -> Judged:
    """What the template asks."""
    found = Judged()
    match answers:
        case Classes():
            commonest = np.unique(answers.given, return_counts=True)[1].max()
            if answers.scores is not None and asked.max_saturated is not None:
                _saturation(asked, answers.scores, found)
        case Numbers():
            commonest = np.unique(answers.given, return_counts=True)[1].max()
            _range(asked, answers.given, found)
    share = float(commonest) / len(answers.right)
    found.metrics["sameAnswer"] = round(share, 6)
    if asked.max_same_answer is not None and share > asked.max_same_answer:
        found.reasons.append(
            f"sanity: {share:.3f} of all answers are the same, at most "
            f"{asked.max_same_answer:g} may be"
        )
    return found


def _saturation(asked: Sanity, scores: npt.NDArray[np.float64], found: Judged) -> None:
    share = float((scores.max(axis=1) >= asked.saturated_at).mean())
    found.metrics["saturated"] = round(share, 6)
    if asked.max_saturated is not None and share > asked.max_saturated:
        found.reasons.append(
            f"sanity: {share:.3f} of all answers have a score of {asked.saturated_at:g} or more, "
            f"at most {asked.max_saturated:g} may"
        )


def _range(asked: Sanity, given: npt.NDArray[np.float64], found: Judged) -> None:
    low, high = float(given.min()), float(given.max())
    found.metrics.update({"lowest": round(low, 6), "highest": round(high, 6)})
    if asked.range is not None and (low < asked.range[0] or high > asked.range[1]):
        found.reasons.append(
            f"sanity: answers lie between {low:g} and {high:g}, which is not within {asked.range}"
        )
