"""Methods of gradients against their definitions, on functions whose gradients are known."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.explaining.gradients import GradientMethod, Joint
from registry.core.explaining.integrated_gradients import IntegratedGradients
from registry.core.explaining.smooth_grad import SmoothGrad
from registry.core.explaining.terms import Array, Attribution

X = np.array([1.0, -2.0, 0.5])
EACH = Joint(np.arange(3), 3)


def cubic(points: Array) -> tuple[Array, Array]:
    """x³ + 2xy + z, and its gradient."""
    x, y, z = points.T
    gradient = np.stack([3 * x**2 + 2 * y, 2 * x, np.ones_like(z)], axis=1)
    return x**3 + 2 * x * y + z, gradient


def driven(
    method: GradientMethod, most: int = 7, of: Callable[[Array], tuple[Array, Array]] = cubic
) -> Attribution:
    while (points := method.wanted(most)) is not None:
        assert len(points) <= most
        method.told(*of(points))
    found = method.found()
    assert found is not None
    return found


def integrated(background: Array, joint: Joint = EACH, steps: int = 20) -> IntegratedGradients:
    return IntegratedGradients(X, background, joint, steps)


def test_integrated_gradients_of_a_polynomial_are_exact() -> None:
    found = driven(integrated(np.zeros((1, 3))))
    # The integral by hand: x³ + xy, xy, z.
    np.testing.assert_allclose(found.values, [1 - 2, -2, 0.5], atol=1e-12)
    assert (found.score, found.base) == (cubic(X[None])[0][0], 0.0)
    assert abs(found.gap) < 1e-12
    assert (found.samples, found.is_finished) == (1 + 1 + 8 + 20, True)


def test_several_baselines_are_averaged_over() -> None:
    background = np.array([[0.0, 0, 0], [1, 1, 1], [-1, 0, 2]])
    each = [driven(integrated(row[None])) for row in background]
    found = driven(integrated(background))
    np.testing.assert_allclose(found.values, np.mean([one.values for one in each], axis=0))
    assert found.base == pytest.approx(np.mean([one.base for one in each]))


def test_joined_elements_have_the_sum_of_what_they_do() -> None:
    found = driven(integrated(np.zeros((1, 3)), Joint(np.array([0, 1, 0]), 2)))
    assert found.values == pytest.approx([-1 + 0.5, -2], abs=1e-12)


def test_what_the_steps_miss_is_the_gap() -> None:
    def step(points: Array) -> tuple[Array, Array]:
        hot = points[:, 0] > 0.37
        return np.where(hot, points[:, 0] - 0.37, 0.0), np.stack([hot, 0 * hot, 0 * hot], 1) * 1.0

    gaps = [abs(driven(integrated(np.zeros((1, 3)), steps=n), of=step).gap) for n in (4, 500)]
    assert gaps[0] > 0.01
    assert gaps[1] < 0.002


def test_a_budget_that_ends_early_leaves_the_coarse_integral() -> None:
    method = integrated(np.zeros((1, 3)), steps=200)
    for _ in range(2):
        points = method.wanted(5)
        assert points is not None
        method.told(*cubic(points))
    assert method.found() is not None
    short = integrated(np.zeros((1, 3)), steps=200)
    points = short.wanted(9)
    assert points is not None
    short.told(*cubic(points))
    assert short.found() is None
    found = method.found()
    assert found is not None
    assert (found.is_finished, found.samples) == (False, 10)
    np.testing.assert_allclose(found.values, [-1, -2, 0.5], atol=1e-12)


@given(st.integers(1, 40))
def test_the_size_of_a_slice_changes_no_number(most: int) -> None:
    def drawn(size: int) -> Attribution:
        random = np.random.default_rng(3)
        return driven(SmoothGrad(X, np.full(3, 0.2), EACH, 50, random), size)

    one, other = drawn(most), drawn(1000)
    assert one.values == pytest.approx(other.values, rel=1e-12)
    np.testing.assert_allclose(one.errors, other.errors, rtol=1e-9)
    near = driven(integrated(np.ones((3, 3))), most)
    np.testing.assert_allclose(near.values, driven(integrated(np.ones((3, 3))), 1000).values)


def test_smooth_gradients_are_those_of_the_smoothed_function_within_their_errors() -> None:
    # Noise of variance v on x adds 3xv to the mean of x³, and so 3v to the gradient.
    found = driven(SmoothGrad(X, np.array([0.5, 0, 0]), EACH, 4000, np.random.default_rng(1)), 512)
    expected = cubic(X[None])[1][0] + [3 * 0.25, 0, 0]
    assert abs(found.values[0] - expected[0]) < 4 * found.errors[0]
    assert 0 < found.errors[0] < 0.1
    np.testing.assert_allclose(found.values[1:], expected[1:], atol=0.05)
    assert found.score == cubic(X[None])[0][0]


def test_one_draw_has_no_error() -> None:
    method = SmoothGrad(X, np.full(3, 0.1), EACH, 5, np.random.default_rng(1))
    for _ in range(2):
        assert method.found() is None
        points = method.wanted(1)
        assert points is not None
        method.told(*cubic(points))
    found = method.found()
    assert found is not None
    assert np.isnan(found.errors).all()
    assert np.isfinite(found.values).all()
