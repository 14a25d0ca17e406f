"""What features count: against formulas and scikit-learn, the same for a seed, within its time."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance

from registry.core.explaining import features
from registry.core.explaining.terms import Array
from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput
from registry.making.explaining import arranged, importance
from registry.making.explaining.asking import Asked
from tests.making.explaining.explained import Linear, digits, explained

NEVER, AT_ONCE = (lambda: False), (lambda: True)


def table(*weights: float) -> tuple[Linear, Array]:
    """A model of a few numbers with one score, and samples for it."""
    signature = Signature(
        (Tensor("images", "float64", (None, len(weights))),), (Tensor("scores", "float64", (1,)),)
    )
    rows = np.random.default_rng(3).standard_normal((60, len(weights)))
    return Linear(np.array([*weights, 0.5])[:, None], signature=signature), rows


def test_shapley_values_of_a_linear_model_are_as_its_weights() -> None:
    model, rows = table(2.0, 0.0, -1.0)
    inputs = {"images": rows}
    found = importance.shapley(Asked(model, "scores"), features.each(inputs), inputs, 0, NEVER)
    assert found.finished
    assert found.values[1] == pytest.approx(0.0, abs=1e-6)
    # |phi| of sample i is |w| times the distance from the baseline's mean: exact for linear models.
    order = np.random.default_rng(0).permutation(60)
    apart = np.abs(rows[order[:32]] - rows[order[::-1][:8]].mean(axis=0)).mean(axis=0)
    assert found.values == pytest.approx(np.array([2.0, 0.0, 1.0]) * apart, abs=1e-5)


def test_shuffling_counts_as_scikit_learn_has_it() -> None:
    model, given = digits(200)

    class Estimator(BaseEstimator):
        def fit(self, *_: object) -> None: ...

        def score(self, rows: Array, labels: Array) -> float:
            scores = model.run({"images": rows})["scores"]
            return float((scores.argmax(axis=1) == labels).mean())

    flat = given.inputs["images"].reshape(200, 64)
    theirs = permutation_importance(Estimator(), flat, given.labels, n_repeats=10, random_state=1)
    inputs = dict(given.inputs)
    ours = importance.permutation(
        Asked(model, "scores"), features.each(inputs), inputs, given.labels, 0, NEVER
    )
    spread = np.sqrt(ours.errors**2 + theirs.importances_std**2 / 10) + 0.005
    assert np.abs(ours.values - theirs.importances_mean).max() < (6 * spread).max()
    assert np.corrcoef(ours.values, theirs.importances_mean)[0, 1] > 0.95


@pytest.mark.parametrize("method", ["permutation", "kernel_shap"])
def test_a_seed_gives_the_same_document_and_another_seed_another(method: str) -> None:
    model, given = digits(60)
    first, again, other = (explained(model, given, method=method, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.features != other.features
    assert first.finished


def test_a_time_that_is_over_leaves_the_best_so_far_or_says_that_there_is_none() -> None:
    model, given = digits(20)
    asked, inputs = Asked(model, "scores"), dict(given.inputs)
    layout = features.each(inputs)
    calls = count()
    found = importance.permutation(asked, layout, inputs, given.labels, 0, lambda: next(calls) >= 4)
    assert not found.finished
    assert 0 < np.isfinite(found.values).sum() < 64
    with pytest.raises(InvalidInput, match="before one feature was shuffled"):
        importance.permutation(asked, layout, inputs, given.labels, 0, AT_ONCE)


def test_a_model_of_a_fixed_number_of_rows_answers_the_same() -> None:
    model, given = digits(50)
    fixed = replace(model.signature, inputs=(Tensor("images", "float32", (16, 8, 8, 1)),))
    seen: list[int] = []

    class Fixed(Linear):
        def run(self, inputs: dict[str, Array]) -> dict[str, Array]:  # type: ignore[override]
            seen.append(len(inputs["images"]))
            return dict(super().run(inputs))

    one = Asked(model, "scores").scores(given.inputs)
    other = Asked(Fixed(model.weights, signature=fixed), "scores").scores(given.inputs)
    assert np.array_equal(one, other)
    assert seen == [16, 16, 16, 16]


def test_names_are_the_users_or_say_the_input_and_the_place() -> None:
    inputs = {"age": np.zeros((3, 1), np.float32), "past": np.zeros((3, 2, 2), np.float32)}
    found = arranged.arranged(inputs, None, [])
    assert found.names == ("age", "past[0, 0]", "past[0, 1]", "past[1, 0]", "past[1, 1]")
    with pytest.raises(InvalidInput, match="2 names for 5 features"):
        arranged.arranged(inputs, None, ["a", "b"])


def test_too_many_features_for_shapley_values_are_refused() -> None:
    inputs = {"x": np.zeros((2, 300), np.float32)}
    with pytest.raises(InvalidInput, match="300 features are too many"):
        importance.shapley(Asked(digits(10)[0], "scores"), features.each(inputs), inputs, 0, NEVER)
