"""Our metrics are scikit-learn's, to the last digits that matter, for all samples and for some."""

from typing import Literal

import numpy as np
import pytest
from sklearn import metrics as theirs
from sklearn.calibration import calibration_curve

from reconciler.core.scoring import answers, classification, measure, regression
from reconciler.core.scoring.answers import Classes, Floats

SAMPLES = 400


def drawn(seed: int, classes: int) -> tuple[Classes, Floats]:
    """Probabilities, some of them equal, and whole weights, some of them 0."""
    draw = np.random.default_rng(seed)
    right = draw.integers(0, classes, SAMPLES)
    logits = draw.normal(size=(SAMPLES, classes)).round(1)
    logits[np.arange(SAMPLES), right] += 1.0
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return answers.classes(scores, right), draw.integers(0, 4, SAMPLES).astype(np.float64)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("seed", [1, 2])
def test_metrics_of_classes(classes: int, seed: int) -> None:
    found, weights = drawn(seed, classes)
    right, given, scores = found.right, found.given, found.scores
    assert scores is not None
    assert classification.accuracy(found)(weights) == pytest.approx(
        theirs.accuracy_score(right, given, sample_weight=weights)
    )
    assert classification.log_loss(found)(weights) == pytest.approx(
        theirs.log_loss(right, y_proba=scores, sample_weight=weights)
    )
    shown = scores[:, 1] if classes == 2 else scores
    assert classification.auroc(found)(weights) == pytest.approx(
        theirs.roc_auc_score(right, shown, multi_class="ovr", sample_weight=weights)
    )


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "binary"])
@pytest.mark.parametrize("seed", [1, 2])
def test_averages(average: Literal["macro", "micro", "weighted", "binary"], seed: int) -> None:
    found, weights = drawn(seed, 2 if average == "binary" else 5)
    for name, one in (
        ("precision", theirs.precision_score),
        ("recall", theirs.recall_score),
        ("f1", theirs.f1_score),
    ):
        mine = classification.averaged(found, name, average)  # type: ignore[arg-type]
        assert mine(weights) == pytest.approx(
            one(found.right, found.given, average=average, sample_weight=weights)
        )


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_a_slice_is_scored_as_if_nothing_else_were_there(
    name: Literal["precision", "recall", "f1"],
) -> None:
    right, given = np.array([0, 0, 1, 2, 2, 3]), np.array([0, 1, 1, 2, 0, 3])
    some = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    mine = classification.averaged(Classes(right, given, None, 0.0), name, "macro")
    them = getattr(theirs, f"{name}_score")(right[:3], given[:3], average="macro")
    assert mine(some) == pytest.approx(them)


def test_calibration_error_is_the_mean_gap_of_the_calibration_curve() -> None:
    found, _ = drawn(3, 4)
    assert found.scores is not None
    confidence, hits = found.scores.max(axis=1), found.right == found.given
    share, mean = calibration_curve(hits, confidence, n_bins=10, strategy="uniform")
    counts = np.histogram(confidence, np.linspace(0, 1, 11))[0]
    wanted = (np.abs(share - mean) * counts[counts > 0]).sum() / SAMPLES
    mine = classification.calibration_error(found, 10)(np.ones(SAMPLES))
    assert mine == pytest.approx(wanted)


@pytest.mark.parametrize("seed", [1, 2])
def test_metrics_of_numbers(seed: int) -> None:
    draw = np.random.default_rng(seed)
    right = draw.normal(size=SAMPLES)
    found = answers.numbers((right + draw.normal(size=SAMPLES))[:, None], right)
    weights = draw.integers(0, 4, SAMPLES).astype(np.float64)
    for mine, one in (
        (regression.rmse, theirs.root_mean_squared_error),
        (regression.mae, theirs.mean_absolute_error),
        (regression.r2, theirs.r2_score),
    ):
        assert mine(found)(weights) == pytest.approx(
            one(found.right, found.given, sample_weight=weights)
        )


def test_r2_of_labels_that_are_all_the_same() -> None:
    same = np.ones(3)
    for given, wanted in ((same, 1.0), (same * 2, 0.0)):
        found = answers.numbers(given, same)
        assert regression.r2(found)(same) == theirs.r2_score(same, given) == wanted


def test_float32_scores_are_clipped_as_scikit_learn_clips_them() -> None:
    scores = np.array([[1.0, 0.0], [0.5, 0.5]], np.float32)
    found = answers.classes(scores, np.array([1, 0]))
    assert classification.log_loss(found)(np.ones(2)) == pytest.approx(
        theirs.log_loss([1, 0], y_proba=scores), rel=1e-6
    )


def test_what_lacks_a_class_has_no_area() -> None:
    found, _ = drawn(1, 3)
    weights = (found.right != 2).astype(np.float64)
    assert np.isnan(classification.auroc(found)(weights))
    assert np.isnan(
        classification.auroc(Classes(found.right + 1, found.given, found.scores, 0))(weights)
    )


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    draw, held = np.random.default_rng(7), 0
    for _ in range(40):
        right = draw.normal(size=60)
        found = answers.numbers(right + draw.normal(size=60), right)
        interval = measure.bootstrap(regression.rmse(found), np.ones(60), 0.9)
        assert interval is not None
        held += interval.low <= 1.0 <= interval.high
    assert held >= 30


def test_intervals_are_the_same_at_every_run_and_none_where_resamples_lack_a_class() -> None:
    found, weights = drawn(1, 3)
    area = classification.auroc(found)
    once, again = (measure.bootstrap(area, (weights > 0) * 1.0, 0.95) for _ in range(2))
    assert once == again
    rare = answers.classes(np.eye(2)[[0, 0, 0, 1]], np.array([0, 0, 0, 1]))
    assert measure.bootstrap(classification.auroc(rare), np.ones(4), 0.95) is None
    wilson = measure.wilson(9 / 10, 10, 0.95)
    assert (wilson.low, wilson.high) == pytest.approx((0.5958, 0.9821), abs=1e-4)
