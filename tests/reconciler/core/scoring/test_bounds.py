"""Which bounds hold, and in which words they do not."""

from typing import Any

import numpy as np
import pytest

from reconciler.core.golden import Golden, Tensor
from reconciler.core.kinds.template import AcceptanceSpec
from reconciler.core.scoring import judging
from reconciler.core.scoring.bounds import Judged
from registry.errors import InvalidInput

LABELS = np.array([0, 1] * 50)
NIGHT = np.arange(100) < 20


def spec(**said: Any) -> AcceptanceSpec:
    document = {
        "dataset": {
            "path": "models.d/datasets/x.csv",
            "digest": "sha256:" + "0" * 64,
            "label": "label",
            "inputs": [{"prefix": "p", "dtype": "float32", "shape": [1]}],
        },
        "minimumSamples": 1,
        **said,
    }
    return AcceptanceSpec.model_validate(document)


def judged(mine: Any, theirs: Any = None, labels: Any = LABELS, **said: Any) -> Judged:
    data = Golden(
        (Tensor(None, np.zeros((len(labels), 1))),),
        labels,
        {"night": NIGHT[: len(labels)], "day": ~NIGHT[: len(labels)]},
    )
    return judging.judged(spec(**said), data, mine, theirs)


def wrong(*places: int) -> Any:
    """Classes, of which these are not right."""
    found = LABELS.copy()
    found[list(places)] = 1 - found[list(places)]
    return found


SLICES = [
    {"name": "night", "where": {"hour": "night"}, "minimumSamples": 20,
     "metrics": {"accuracy": {"min": 0.9}}},
    {"name": "day", "where": {"hour": "day"}, "minimumSamples": 81},
]  # fmt: skip


def test_a_minimum_is_said_with_how_sure_it_is() -> None:
    found = judged(wrong(1, 2, 3), metrics={"accuracy": {"min": 0.98}})
    assert found.reasons == [
        "accuracy 0.970 (97 of 100 right, 95 % interval 0.915 to 0.990) is below the minimum 0.98"
    ]
    assert found.metrics["accuracy"] == 0.97
    assert found.metrics["accuracyInterval"] == [0.915481, 0.989745]


def test_with_a_confidence_the_end_of_the_interval_must_hold() -> None:
    asked = {"accuracy": {"min": 0.95, "confidence": 0.9}}
    assert judged(wrong(1, 2, 3), metrics={"accuracy": {"min": 0.95}}).reasons == []
    [reason] = judged(wrong(1, 2, 3), metrics=asked).reasons
    assert reason == (
        "accuracy 0.970 (97 of 100 right, 90 % interval 0.927 to 0.988): the interval's lower end "
        "0.927 is below the minimum 0.95"
    )


def test_a_drop_is_measured_on_the_same_samples() -> None:
    asked = {"accuracy": {"maxDrop": 0.02}}
    found = judged(wrong(1, 2, 3), wrong(), metrics=asked)
    assert found.reasons == [
        "accuracy 0.970 is 0.030 below the serving version's 1.000, at most 0.02 is allowed"
    ]
    assert found.metrics["servingAccuracy"] == 1.0
    assert judged(wrong(1, 2), wrong(), metrics=asked).reasons == []
    # Of two that err alike nobody is worse, however few the samples are.
    sure = {"accuracy": {"maxDrop": 0.02, "confidence": 0.95}}
    assert judged(wrong(1, 2, 3), wrong(1, 2, 3), metrics=sure).reasons == []
    [reason] = judged(wrong(1, 2), wrong(), metrics=sure).reasons
    assert reason.startswith("accuracy 0.980 may, at 95 % confidence, be 0.0")


def test_what_should_be_low_has_a_maximum_and_may_hardly_rise() -> None:
    labels = np.linspace(0, 1, 100)
    found = judged(
        labels + 0.2,
        labels + 0.1,
        labels,
        metrics={"mae": {"max": 0.15, "maxRise": 0.05}, "r2": {"min": 0.1}},
    )
    assert found.reasons == [
        "mae 0.200 (100 samples) is above the maximum 0.15",
        "mae 0.200 is 0.100 above the serving version's 0.100, at most 0.05 is allowed",
    ]
    assert found.metrics["servingMae"] == 0.1
    assert "servingR2" not in found.metrics


def test_slices_have_floors_of_their_own_and_need_samples() -> None:
    found = judged(wrong(0, 1, 2), metrics={"accuracy": {"min": 0.9}}, slices=SLICES)
    night, day = found.reasons
    assert night == (
        "slice night: accuracy 0.850 (17 of 20 right, 95 % interval 0.640 to 0.948) is below the "
        "minimum 0.9"
    )
    assert day == "slice day: 80 samples, at least 81 are wanted"
    slices = found.metrics["slices"]
    assert isinstance(slices, dict)
    assert slices["day"] == {"samples": 80}


def test_slices_may_not_lie_far_apart() -> None:
    gap = [{"metric": "accuracy", "between": ["night", "day"], "maxGap": 0.1}]
    said = {"metrics": {"accuracy": {"min": 0.5}}, "slices": SLICES, "fairness": gap}
    found = judged(wrong(0, 1, 2), **said)
    assert found.reasons[-1] == (
        "fairness: accuracy differs by 0.150 between night (0.850) and day (1.000), at most 0.1 is "
        "allowed"
    )
    assert found.metrics["fairness"] == [
        {"metric": "accuracy", "values": {"night": 0.85, "day": 1.0}, "gap": 0.15}
    ]
    gap[0] |= {"maxGap": 0.2, "confidence": 0.95}
    assert (
        "fairness: accuracy may, at 95 % confidence, differ by 0.3"
        in judged(wrong(0, 1, 2), **said).reasons[-1]
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.nan, "sanity: 1 of 100 answers have NaN"),
        (np.inf, "sanity: 1 of 100 answers have infinity"),
    ],
)
def test_broken_numbers_are_never_taken(value: float, reason: str) -> None:
    scores = np.eye(2)[LABELS]
    scores[7, 1] = value
    assert judged(scores, metrics={"accuracy": {"min": 0.0}}).reasons == [reason]


def test_one_answer_to_everything_is_none() -> None:
    same = np.tile([[0.4, 0.6]], (100, 1))
    asked = {"metrics": {"accuracy": {"min": 0.0}}}
    assert judged(same, **asked).reasons == [
        "sanity: the model answers the same to all 100 samples, whose right answers differ"
    ]
    assert judged(same[:50], None, np.ones(50, np.int64), **asked).reasons == []


def test_sanity_bounds_what_a_good_score_hides() -> None:
    scores = np.eye(2)[wrong(1, 3, 5)]
    found = judged(
        scores,
        metrics={"accuracy": {"min": 0.9}},
        sanity={"maxSameAnswer": 0.5, "maxSaturated": 0.9},
    )
    assert found.reasons == [
        "sanity: 1.000 of all answers have a score of 0.9999 or more, at most 0.9 may",
        "sanity: 0.530 of all answers are the same, at most 0.5 may be",
    ]
    labels = np.linspace(0, 1, 100)
    [reason] = judged(
        labels * 2, None, labels, metrics={"r2": {"min": -9}}, sanity={"range": [0, 1]}
    ).reasons
    assert reason == "sanity: answers lie between 0 and 2, which is not within [0.0, 1.0]"


@pytest.mark.parametrize(
    ("scores", "metric", "why"),
    [
        (LABELS, "auroc", "the model tells no scores"),
        (np.eye(2)[LABELS] * 3, "logLoss", "the model's scores are no probabilities"),
        (np.eye(2)[LABELS][:, :1] * np.ones((1, 1)), "accuracy", ""),
        (np.eye(2)[LABELS * 0 + (LABELS == 9)] + np.arange(100)[:, None], "auroc", ""),
    ],
)
def test_what_cannot_be_measured_does_not_hold(scores: Any, metric: str, why: str) -> None:
    bound = {"max": 9.0} if metric == "logLoss" else {"min": 0.0}
    reasons = judged(scores, metrics={metric: bound}).reasons
    assert [reason.partition(": ")[2].startswith(why) for reason in reasons] == [True] * bool(why)


def test_answers_of_another_kind_are_no_answers() -> None:
    asked = {"metrics": {"rmse": {"max": 1}}}
    with pytest.raises(InvalidInput, match="2 numbers for a sample, one is wanted"):
        judged(np.eye(2)[LABELS], None, LABELS * 1.0, **asked)
    with pytest.raises(InvalidInput, match="some are no probabilities"):
        judged(LABELS * 2.0, metrics={"accuracy": {"min": 0.5}})
    with pytest.raises(InvalidInput, match="answers to 100 samples have the shape"):
        judged(LABELS[:99], metrics={"accuracy": {"min": 0.5}})
