"""Attributions against the definitions: enumeration, least squares, shuffles counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from registry.core.explaining import features, lime
from registry.core.explaining.kernel_shap import KernelShap
from registry.core.explaining.lime import Lime
from registry.core.explaining.occlusion import Occlusion
from registry.core.explaining.permutation import Permutation
from registry.core.explaining.terms import Rows
from registry.errors import InvalidInput
from tests.core.explained import driven, interacting, shapley

RANDOM = np.random.default_rng(11)
INSTANCE = np.array([1.0, -2.0, 0.5, 0.7, 0.9, 1.5])
BACKGROUND = RANDOM.normal(size=(7, 6))


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_with_room_for_all_coalitions_shapley_values_are_those_of_the_definition() -> None:
    found = driven(KernelShap(6, 62, random()), interacting, INSTANCE, BACKGROUND)
    assert found.is_finished
    np.testing.assert_allclose(
        found.values, shapley(interacting, INSTANCE, BACKGROUND), rtol=0, atol=1e-10
    )
    assert (found.samples, found.errors.max()) == (64, 0.0)


def test_sampled_shapley_values_are_within_their_standard_errors() -> None:
    weights = RANDOM.normal(size=14)

    def score(rows: np.ndarray) -> np.ndarray:
        return rows @ weights + 2 * rows[:, 0] * rows[:, 1] * rows[:, 2] - rows[:, 3] * rows[:, 4]

    instance, background = RANDOM.normal(size=14), np.zeros((1, 14))
    exact = driven(KernelShap(14, 2**14, random()), score, instance, background).values
    off = []
    for seed in range(20):
        found = driven(KernelShap(14, 400, random(seed)), score, instance, background)
        assert abs(found.gap) < 1e-9
        off.append((found.values - exact) / found.errors)
    spread = np.std(off)
    assert 0.7 < spread < 1.4  # an error that is told is about the one that is made
    assert abs(np.mean(off)) < 0.2


@given(st.integers(1, 60), st.integers(1, 9), st.sampled_from(["shap", "lime"]))
def test_the_size_of_a_slice_changes_no_number(most: int, features: int, kind: str) -> None:
    def made() -> KernelShap | Lime:
        return (KernelShap if kind == "shap" else Lime)(features, 80, random(3))

    def score(rows: np.ndarray) -> np.ndarray:
        return np.asarray((rows.cumsum(axis=1) ** 2).sum(axis=1))

    instance, background = np.arange(1.0, features + 1), np.zeros((1, features))
    one = driven(made(), score, instance, background, most=most)
    other = driven(made(), score, instance, background, most=1000)
    assert (one.values == other.values).all()
    assert one.samples == other.samples


def test_another_seed_draws_other_coalitions() -> None:
    one, other = (KernelShap(20, 100, random(seed)).wanted(100) for seed in (1, 2))
    assert one is not None
    assert other is not None
    assert (one.present != other.present).any()


def test_an_answer_before_the_end_says_that_it_is_not_finished() -> None:
    method = KernelShap(14, 600, random())
    instance, score = RANDOM.normal(size=14), RANDOM.normal(size=14)
    assert method.found() is None
    for _ in range(10):
        rows = method.wanted(30)
        assert rows is not None
        method.told(np.where(rows.present, instance, 0.0) @ score)
    found = method.found()
    assert found is not None
    assert (found.is_finished, found.samples) == (False, 300)
    np.testing.assert_allclose(found.values, instance * score, atol=1e-9)


def test_a_handful_of_coalitions_is_no_answer_of_many_features() -> None:
    method = KernelShap(100, 600, random())
    rows = method.wanted(30)
    assert rows is not None
    method.told(rows.present.sum(axis=1).astype(float))
    assert method.found() is None


def test_lime_is_the_weighted_ridge_regression_of_its_rows() -> None:
    method = Lime(6, 500, random())
    found = driven(method, interacting, INSTANCE, BACKGROUND[:1])
    rows = method._rows[1:]
    scores = interacting(np.where(rows, INSTANCE, BACKGROUND[0]))
    fitted = Ridge(alpha=1.0).fit(rows, scores, sample_weight=lime.likeness(rows))
    np.testing.assert_allclose(found.values, fitted.coef_, atol=1e-9)
    r2 = fitted.score(rows, scores, sample_weight=lime.likeness(rows))
    assert found.fidelity == pytest.approx(r2)
    assert 0.3 < found.fidelity < 0.999  # it interacts, so no line explains all of it


def test_a_line_explains_all_of_an_additive_score() -> None:
    weights = RANDOM.normal(size=6)
    found = driven(KernelShap(6, 62, random()), lambda x: x @ weights, INSTANCE, BACKGROUND)
    assert found.fidelity == pytest.approx(1.0)
    np.testing.assert_allclose(found.values, weights * (INSTANCE - BACKGROUND.mean(axis=0)))


def test_occlusion_is_the_score_less_the_score_without() -> None:
    found = driven(Occlusion(6), interacting, INSTANCE, BACKGROUND[:1])
    for feature in range(6):
        without = INSTANCE.copy()
        without[feature] = BACKGROUND[0, feature]
        expected = interacting(INSTANCE[None])[0] - interacting(without[None])[0]
        assert found.values[feature] == pytest.approx(expected)
    assert found.score == pytest.approx(interacting(INSTANCE[None])[0])
    assert abs(found.gap) > 0.1  # which is why it is told


def test_what_an_occlusion_has_not_come_to_is_not_a_number() -> None:
    method = Occlusion(6)
    assert method.wanted(4) is not None
    method.told(np.arange(4.0))
    found = method.found()
    assert found is not None
    assert np.isnan(found.values).tolist() == [False, False, True, True, True, True]


def test_a_feature_that_a_model_does_not_use_has_no_permutation_importance() -> None:
    rows = RANDOM.normal(size=(200, 4))
    truth = 3 * rows[:, 0] + rows[:, 1]
    method = Permutation(
        200, 4, 10, lambda found, at: (found[:, 0] - truth[at]) ** 2, np.random.default_rng(1)
    )
    while (wanted := method.wanted(333)) is not None:
        asked = np.where(wanted.present, rows[wanted.subjects], rows[wanted.donors])
        method.told(3 * asked[:, :1] + asked[:, 1:2])
    found = method.found()
    assert found is not None
    assert found.values[2:].tolist() == [0.0, 0.0]
    # Of two independent draws of x, 9 (x - x')² has the mean 18 var(x); Fisher et al., section 4.
    variance = rows.var(axis=0)
    np.testing.assert_allclose(found.values[:2], [18 * variance[0], 2 * variance[1]], rtol=0.25)
    assert (np.abs(found.values[:2] - [18 * variance[0], 2 * variance[1]])
            < 4 * found.errors[:2] + 0.05 * found.values[:2]).all()  # fmt: skip


def test_joined_elements_come_and_go_together_in_tensors_of_any_type() -> None:
    instances = {"text": np.array([[b"a", b"b"]], object), "n": np.array([[[1, 2]]])}
    background = {"text": np.array([[b"", b""]], object), "n": np.zeros((1, 1, 2), int)}
    layout = features.joined(instances, np.array([5, 9, 9, 5]))
    assert layout.count == 2
    rows = Rows(np.array([[True, False]]), np.zeros(1, int), np.zeros(1, int))
    found = layout.composed(rows, instances, background)
    assert found["text"].tolist() == [[b"a", b""]]
    assert found["n"].tolist() == [[[0, 2]]]
    assert {name: one.tolist() for name, one in layout.spread(np.array([7.0, 8.0])).items()} == {
        "text": [7.0, 8.0], "n": [[8.0, 7.0]],
    }  # fmt: skip


def test_a_mask_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidInput, match="3 numbers, one instance has 2"):
        features.joined({"x": np.zeros((1, 2))}, np.array([1, 2, 3]))
