"""Metrics of classes. `docs/acceptance.md` names scikit-learn's function for each. Pure."""

from typing import Literal, TypeAlias

import numpy as np

from reconciler.core.scoring.answers import Classes, Floats, Ints
from reconciler.core.scoring.measure import UNDEFINED, Measure

Average: TypeAlias = Literal["macro", "micro", "weighted", "binary"]


def accuracy(answers: Classes) -> Measure:
    """`accuracy_score`."""
    hits = (answers.right == answers.given).astype(np.float64)
    return lambda weights: float(hits @ weights / weights.sum())


def averaged(
    answers: Classes, name: Literal["precision", "recall", "f1"], average: Average
) -> Measure:
    """`precision_score`, `recall_score` and `f1_score`, with zero_division=0."""
    found, places = np.unique(np.concatenate([answers.right, answers.given]), return_inverse=True)
    size, samples = len(found), len(answers.right)
    right, given = places[:samples], places[samples:]
    hits = right == given

    def measure(weights: Floats) -> float:
        wanted = np.bincount(right, weights, size).astype(np.float64)
        said = np.bincount(given, weights, size).astype(np.float64)
        true = np.bincount(right[hits], weights[hits], size).astype(np.float64)
        if average == "micro":
            return float(true.sum() / weights.sum())
        scores = _quotients(name, true, said, wanted)
        if average == "binary":
            of_one = scores[found == 1]
            return float(of_one[0]) if len(of_one) else 0.0
        if average == "weighted":
            return float(scores @ wanted / wanted.sum())
        return float(scores[wanted + said > 0].mean())

    return measure


def auroc(answers: Classes) -> Measure:
    """`roc_auc_score`: of several classes the mean of each against the rest (`ovr`, `macro`).

    Undefined where a class, or all others, have no sample.
    """
    scores = answers.scores
    if scores is None or not _are_columns(scores, answers.right):
        return UNDEFINED
    if scores.shape[1] == 2:
        return _area(answers.right == 1, scores[:, 1])
    areas = [_area(answers.right == one, scores[:, one]) for one in range(scores.shape[1])]
    return lambda weights: float(np.mean([area(weights) for area in areas]))


def log_loss(answers: Classes) -> Measure:
    """`log_loss`: scores are clipped by the precision that they came in."""
    scores = answers.scores
    if scores is None or not answers.are_probabilities or not _are_columns(scores, answers.right):
        return UNDEFINED
    said = scores[np.arange(len(scores)), answers.right]
    losses = -np.log(np.clip(said, answers.eps, 1 - answers.eps))
    return lambda weights: float(losses @ weights / weights.sum())


def calibration_error(answers: Classes, bins: int) -> Measure:
    """The expected calibration error (Guo et al. 2017) of the highest score, over the bins of
    `calibration_curve(strategy="uniform")`."""
    if answers.scores is None or not answers.are_probabilities:
        return UNDEFINED
    confidence = answers.scores.max(axis=1)
    hits = (answers.right == answers.given).astype(np.float64)
    places = np.searchsorted(np.linspace(0.0, 1.0, bins + 1)[1:-1], confidence)
    misses = hits - confidence

    def measure(weights: Floats) -> float:
        gaps = np.bincount(places, weights * misses, bins)
        return float(np.abs(gaps).sum() / weights.sum())

    return measure


def _quotients(name: str, true: Floats, said: Floats, wanted: Floats) -> Floats:
    """By class; 0 where nothing is there to be divided by."""
    match name:
        case "precision":
            above, below = true, said
        case "recall":
            above, below = true, wanted
        case _:
            above, below = 2 * true, said + wanted
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _are_columns(scores: Floats, labels: Ints) -> bool:
    """Whether every label has a score."""
    return bool(labels.min() >= 0 and labels.max() < scores.shape[1])


def _area(is_positive: np.typing.NDArray[np.bool_], scores: Floats) -> Measure:
    """Below the curve of true over false positives, by trapezoids; equal scores are one step."""
    order = np.argsort(-scores, kind="stable")
    positive = is_positive[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)

    def measure(weights: Floats) -> float:
        ordered = weights[order]
        true = np.cumsum(ordered * positive)[ends]
        false = np.cumsum(ordered * (1 - positive))[ends]
        if true[-1] <= 0 or false[-1] <= 0:
            return float("nan")
        area = np.trapezoid(np.append(0.0, true), np.append(0.0, false))
        return float(area / (true[-1] * false[-1]))

    return measure
