"""Small models in a model's stead, beside those of scikit-learn, and how true they are."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeRegressor

from registry.core.explaining import surrogate, tree
from registry.core.explaining.surrogate import Surrogate
from registry.core.explaining.terms import Array, Attribution

RANDOM = np.random.default_rng(5)
GIVEN = RANDOM.normal(size=(300, 4))


def steps(rows: Array) -> Array:
    """Two scores that a tree of two splits says exactly."""
    low = np.where(rows[:, 0] <= 0.2, 1.0, np.where(rows[:, 2] <= -0.5, 3.0, 7.0))
    return np.stack([low, 5 - low], axis=1)


def line(rows: Array) -> Array:
    return np.asarray(rows @ [[1.0], [-2], [0], [0.5]] + 3)


def driven(method: Surrogate, of: object, given: Array = GIVEN) -> Attribution:
    assert callable(of)
    while (rows := method.wanted(71)) is not None:
        method.told(of(np.where(rows.present, given[rows.subjects], given[rows.donors])))
    found = method.found()
    assert found is not None
    return found


def made(kind: str, *, depth: int = 3, samples: int = 200, seed: int = 0) -> Surrogate:
    return Surrogate(GIVEN, kind, depth, samples, np.random.default_rng(seed))


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_tree_is_scikit_learns(depth: int) -> None:
    wanted = np.stack([np.sin(GIVEN[:, 0]) * GIVEN[:, 1], GIVEN[:, 2] ** 2], axis=1)
    peer = DecisionTreeRegressor(max_depth=depth, min_samples_leaf=tree.LEAST).fit(GIVEN, wanted)
    ours = tree.grown(GIVEN, wanted, depth)
    asked = RANDOM.normal(size=(500, 4))
    assert ours.answers(asked) == pytest.approx(peer.predict(asked), abs=1e-9)
    assert len(ours.feature) == peer.tree_.node_count
    shares = ours.gains / ours.gains.sum()
    assert shares == pytest.approx(peer.feature_importances_, abs=1e-9)


def test_a_line_is_scikit_learns_and_its_fidelity_that_of_rows_held_out() -> None:
    def bent(rows: Array) -> Array:
        return line(rows) + np.abs(rows[:, 1:2])

    method = made("linear", samples=0)
    found = driven(method, bent)
    held = method._held
    peer = LinearRegression().fit(GIVEN[~held], bent(GIVEN[~held]))
    assert method.parts["coefficients"] == pytest.approx(peer.coef_, abs=1e-5)
    assert method.parts["intercepts"] == pytest.approx(peer.intercept_, abs=1e-5)
    expected = r2_score(bent(GIVEN[held]), peer.predict(GIVEN[held]))
    assert found.fidelity == pytest.approx(expected, abs=1e-6)
    assert 0.5 < found.fidelity < 0.99
    assert method.parts["held_out"] == 60


def test_a_model_that_is_a_tree_is_found_out() -> None:
    method = made("tree", depth=2, samples=2000)
    found = driven(method, steps)
    assert found.fidelity > 0.97
    assert method.parts["agreement"] > 0.97
    assert sorted(method.parts["feature"].tolist()) == [-1, -1, -1, 0, 2]
    assert found.values.sum() == pytest.approx(1)
    assert found.values[[1, 3]].tolist() == [0, 0]


def test_what_is_nothing_like_it_says_so() -> None:
    found = driven(made("linear"), lambda rows: np.sin(40 * rows[:, :1]))
    assert found.fidelity < 0.1


def test_no_row_that_is_held_out_has_a_part_in_what_it_learns_from() -> None:
    method = made("tree", samples=5000)
    while (rows := method.wanted(1000)) is not None:
        mixed = rows.present.all(axis=1) == 0
        assert not method._held[rows.subjects[mixed]].any()
        assert not method._held[rows.donors[mixed]].any()
        method.told(line(np.zeros((len(rows), 4))))


def test_a_budget_that_ends_leaves_what_the_given_rows_teach() -> None:
    method = made("tree", samples=5000)
    rows = method.wanted(299)
    assert rows is not None
    method.told(steps(GIVEN[:299]))
    assert method.found() is None
    method.wanted(1)
    method.told(steps(GIVEN[299:]))
    found = method.found()
    assert found is not None
    assert (found.is_finished, found.samples) == (False, 300)


def test_one_number_has_no_largest_to_agree_on_and_a_constant_no_fidelity() -> None:
    method = made("linear")
    found = driven(method, lambda rows: np.full((len(rows), 1), 2.0))
    assert np.isnan(found.fidelity)
    assert np.isnan(method.parts["agreement"])
    assert found.values.tolist() == [0, 0, 0, 0]
    assert surrogate.agreement(np.eye(2), np.eye(2)) == 1.0
