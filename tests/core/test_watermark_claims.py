"""What is claimed of a mark is found: in the smallest models, whatever their weights are like."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from registry.core.watermark import comparing, scheme, statistics
from registry.core.watermark.findings import Detector, Score
from registry.core.watermark.scheme import OWNER, Strength
from tests.core.marked_models import VERSION, Model, copy_for, held, negated, network, reordered

WEIGHTS: dict[str, Callable[[tuple[int, int]], np.ndarray]] = {
    "uniform": lambda shape: np.random.default_rng(1).uniform(-1, 1, shape),
    "normal": lambda shape: np.random.default_rng(2).standard_normal(shape),
    "heavy-tailed": lambda shape: np.random.default_rng(3).laplace(size=shape),
}
# A thousand hosts and the owner, each by both detectors.
LINE = statistics.threshold(2 * 1001)


def model(kind: str, side: int) -> Model:
    return {"w": WEIGHTS[kind]((side, side)).astype(np.float32)}


def scores(suspect: Model, original: Model) -> dict[tuple[str, Detector], Score]:
    keys = {name: VERSION.copy_key(name) for name in (OWNER, "edge-1", "edge-2")}
    found = comparing.compare(held(suspect), held(original), keys)
    return {(one.recipient, one.detector): one for one in found.scores}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_the_smallest_model_that_gets_a_mark_is_found_by_it(kind: str) -> None:
    strength = scheme.strength(117 * 117)
    assert isinstance(strength, Strength)
    assert isinstance(scheme.strength(115 * 115), scheme.TooSmall)
    original = model(kind, 117)
    found = scores(copy_for("edge-1", original, strength.alpha), original)
    for who in (OWNER, "edge-1"):
        assert found[who, Detector.INFORMED].u > 4 * LINE
    assert abs(found["edge-2", Detector.INFORMED].z) < 5


def test_owner_and_recipient_share_what_is_predicted_of_the_chips() -> None:
    """0.63 and 0.78 of it, whose squares make one."""
    for kind, factor in (("uniform", 1.73), ("normal", 1.32), ("heavy-tailed", 1.0)):
        original = model(kind, 1200)
        found = scores(copy_for("edge-1", original), original)
        whole = factor * 0.02 * 1200
        owner, host = (found[who, Detector.BLIND].z for who in (OWNER, "edge-1"))
        assert owner == pytest.approx(0.63 * whole, abs=4)
        assert host == pytest.approx(0.78 * whole, abs=4)
        assert math.hypot(owner, host) == pytest.approx(whole, abs=4)


@pytest.mark.parametrize("factor", [1e-30, 1e-18, 1e18, 1e34])
def test_weights_scaled_beyond_what_squares_can_hold_are_found_all_the_same(factor: float) -> None:
    original = model("normal", 200)
    suspect = copy_for("edge-1", original)
    suspect["w"] *= np.float32(factor)
    found = scores(suspect, original)
    assert found["edge-1", Detector.INFORMED].u > 4 * LINE


@pytest.mark.parametrize("value", [3e38, 1e-45])
def test_a_few_weights_out_of_all_bounds_are_no_error_and_accuse_nobody(value: float) -> None:
    original = model("normal", 200)
    suspect = {"w": original["w"].copy()}
    suspect["w"][::50, ::50] = value
    for one in scores(suspect, original).values():
        assert math.isfinite(one.z)
        assert one.u < LINE


@pytest.mark.parametrize("value", [100.0, 1e6, 3e38])
def test_weights_that_nothing_reads_cannot_drown_the_mark_of_the_others(value: float) -> None:
    original = model("normal", 200)
    suspect = copy_for("edge-1", original)
    suspect["w"][:, :2] = value * np.sign(suspect["w"][:, :2])
    found = scores(suspect, original)
    assert found["edge-1", Detector.INFORMED].u > 4 * LINE


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_neurons_that_were_negated_are_put_back(share: float) -> None:
    original = network()
    leaked = negated(copy_for("edge-1", original), share=share)
    for suspect in (leaked, reordered(leaked)):
        found = scores(suspect, original)
        assert found["edge-1", Detector.INFORMED].u > 15 * LINE
