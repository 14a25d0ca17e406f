"""From a metric's name to its measure, or the reason why it cannot be measured. Pure."""

from dataclasses import dataclass

from reconciler.core.kinds.measures import Averaged, Bound, Calibration, MetricName
from reconciler.core.scoring import classification, regression
from reconciler.core.scoring.answers import Answers, Classes, Floats, Numbers
from reconciler.core.scoring.classification import Average
from reconciler.core.scoring.measure import UNDEFINED, Measure

_BINS = 10


@dataclass(frozen=True, slots=True)
class Metric:
    """`average` and `bins` are for those that have them."""

    name: MetricName
    average: Average = "macro"
    bins: int = _BINS


def of(name: MetricName, bound: Bound) -> Metric:
    """The metric that `bound` is about."""
    match bound:
        case Averaged():
            return Metric(name, average=bound.average)
        case Calibration():
            return Metric(name, bins=bound.bins)
        case _:
            return Metric(name)


def prepared(metric: Metric, answers: Answers) -> Measure:
    """Undefined, too, where no sample has a weight."""
    measure = _prepared(metric, answers)

    def guarded(weights: Floats) -> float:
        return measure(weights) if weights.any() else float("nan")

    return guarded


def lacking(metric: Metric, answers: Answers) -> str:
    """Why the metric is undefined."""
    match answers:
        case Classes(scores=None) if metric.name in ("auroc", "logLoss", "calibrationError"):
            return "the model tells no scores"
        case Classes() if metric.name in ("logLoss", "calibrationError") and (
            not answers.are_probabilities
        ):
            return "the model's scores are no probabilities, which lie between 0 and 1, sum 1"
        case Classes(scores=scores) if scores is not None and (
            answers.right.max() >= scores.shape[1] or answers.right.min() < 0
        ):
            return f"there are labels without a score: the model has {scores.shape[1]} of them"
        case _:
            return "the samples are too few, or lack a class"


def _prepared(metric: Metric, answers: Answers) -> Measure:
    match answers:
        case Classes():
            return _of_classes(metric, answers)
        case Numbers():
            return _of_numbers(metric.name, answers)


def _of_classes(metric: Metric, answers: Classes) -> Measure:
    match metric.name:
        case "accuracy":
            return classification.accuracy(answers)
        case "precision" | "recall" | "f1":
            return classification.averaged(answers, metric.name, metric.average)
        case "auroc":
            return classification.auroc(answers)
        case "logLoss":
            return classification.log_loss(answers)
        case "calibrationError":
            return classification.calibration_error(answers, metric.bins)
        case "rmse" | "mae" | "r2":
            return UNDEFINED


def _of_numbers(name: MetricName, answers: Numbers) -> Measure:
    match name:
        case "rmse":
            return regression.rmse(answers)
        case "mae":
            return regression.mae(answers)
        case "r2":
            return regression.r2(answers)
        case "accuracy" | "precision" | "recall" | "f1" | "auroc" | "logLoss" | "calibrationError":
            return UNDEFINED
