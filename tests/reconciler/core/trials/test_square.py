"""The Square attack against what the paper promises of it, on a model whose optimum is known."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from reconciler.core.kinds.trials import Noise, Square
from reconciler.core.trials import eta, noise, square
from reconciler.core.trials.arrays import Array
from reconciler.core.trials.square import Image

IMAGE = Image(6, 6)
WEIGHTS = np.random.default_rng(1).normal(size=36)


def spec(norm: str, epsilon: float = 0.1, queries: int = 300) -> Square:
    return Square.model_validate(
        {"norm": norm, "epsilon": epsilon, "accuracy": 0.5, "queries": queries}
    )


def linear(weights: Array, bias: float) -> Callable[[Array, Sequence[int]], Array]:
    """Scores 0 and w·x + b: class 1 leads by exactly that."""
    return lambda rows, _: np.stack([np.zeros(len(rows)), rows @ weights + bias], axis=1)


def attacked(
    norm: str, *, bias: float = 50.0, epsilon: float = 0.1, image: Image = IMAGE, queries: int = 300
) -> tuple[Array, square.Attacked]:
    draw = np.random.default_rng(7)
    rows = draw.uniform(0.3, 0.7, (4, image.size))
    labels = np.ones(4, dtype=np.int64)
    weights = np.resize(WEIGHTS, image.size)
    found = square.attack(
        rows, labels, linear(weights, bias), image=image, spec=spec(norm, epsilon, queries),
        draw=draw,
    )  # fmt: skip
    return rows, found


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize(
    "image", [IMAGE, Image(36), Image(4, 3, 3), Image(4, 3, 3, is_channels_first=True), Image(2, 2)]
)
def test_what_is_added_stays_within_the_ball_and_the_range(norm: str, image: Image) -> None:
    for epsilon in (0.05, 2.0):
        rows, found = attacked(norm, epsilon=epsilon, image=image, queries=60)
        added = np.abs(found.rows - rows)
        size = added.max() if norm == "Linf" else np.sqrt((added**2).sum(axis=1)).max()
        assert 0 < size <= epsilon + 1e-9
        assert found.rows.min() >= 0.0
        assert found.rows.max() <= 1.0


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_what_is_kept_has_the_lowest_margin_that_was_seen(norm: str) -> None:
    seen: list[Array] = []
    ask = linear(WEIGHTS, 50.0)

    def watched(rows: Array, places: Sequence[int]) -> Array:
        scores = ask(rows, places)
        seen.append(square.margin(scores, np.ones(len(rows), dtype=np.int64)))
        return scores

    rows = np.random.default_rng(3).uniform(0.3, 0.7, (4, 36))
    labels, draw = np.ones(4, dtype=np.int64), np.random.default_rng(0)
    found = square.attack(rows, labels, watched, image=IMAGE, spec=spec(norm), draw=draw)
    assert np.array_equal(found.margins, np.min(seen[1:], axis=0))
    assert np.allclose(found.margins, found.rows @ WEIGHTS + 50.0)
    assert (found.margins < seen[1]).all()


def test_a_linear_models_optimum_is_approached_and_never_passed() -> None:
    """By Hölder's inequality no change in the ball takes more than epsilon times the dual norm."""
    for norm, most in (
        ("Linf", 0.1 * np.abs(WEIGHTS).sum()),
        ("L2", 0.1 * np.sqrt((WEIGHTS**2).sum())),
    ):
        rows, found = attacked(norm, queries=800)
        taken = rows @ WEIGHTS + 50.0 - found.margins
        assert (taken <= most + 1e-9).all()
        assert (taken >= (0.9 if norm == "Linf" else 0.7) * most).all(), (norm, taken / most)


def test_a_lost_sample_is_asked_no_more_and_a_robust_one_up_to_the_budget() -> None:
    _, found = attacked("Linf", bias=-50.0)
    assert (found.robust, found.queries.tolist()) == (0, [1, 1, 1, 1])
    _, found = attacked("Linf", bias=50.0, queries=20)
    assert (found.robust, found.queries.tolist()) == (4, [20, 20, 20, 20])


def test_the_same_seed_finds_the_same() -> None:
    one, other = attacked("L2", queries=50)[1], attacked("L2", queries=50)[1]
    assert np.array_equal(one.rows, other.rows)


def test_the_size_is_halved_as_in_the_paper() -> None:
    ten_thousand = spec("Linf", queries=10_000)
    sizes = [0.8 / square.share_of(turn, ten_thousand) for turn in (10, 11, 51, 201, 501, 8001)]
    assert sizes == [1, 2, 4, 8, 16, 512]
    assert square.share_of(500, spec("Linf", queries=1000)) == square.share_of(5000, ten_thousand)


def test_an_eta_has_norm_one_and_two_halves_of_opposite_signs() -> None:
    found = eta.eta(7, 5, np.random.default_rng(0))
    assert np.linalg.norm(found) == pytest.approx(1.0)
    assert (found[:3] >= 0).all()
    assert (found[3:] <= 0).all()
    assert np.linalg.norm(eta.eta(1, 1, np.random.default_rng(0))) == pytest.approx(1.0)


def test_folding_an_image_and_flattening_it_changes_nothing() -> None:
    rows = np.arange(48.0).reshape(2, 24)
    for image in (Image(4, 3, 2), Image(4, 3, 2, is_channels_first=True), Image(24)):
        assert np.array_equal(image.flat(image.folded(rows)), rows)
    first = Image(2, 3, 4, is_channels_first=True).folded(rows)
    assert first[0, 0, 0].tolist() == [0, 6, 12, 18]


def test_noise_has_the_strength_that_was_asked_for() -> None:
    rows = np.full((200, 100), 0.5)
    draw = np.random.default_rng(0)
    gaussian = Noise(kind="gaussian", strength=0.1, accuracy=0.9)
    assert noise.noisy(rows, gaussian, draw).std() == pytest.approx(0.1, rel=0.05)
    salted = noise.noisy(rows, Noise(kind="saltAndPepper", strength=0.2, accuracy=0.9), draw)
    assert (salted == 0.0).mean() == pytest.approx(0.1, abs=0.02)
    assert (salted == 1.0).mean() == pytest.approx(0.1, abs=0.02)


def test_noise_stays_within_the_range() -> None:
    found = noise.noisy(
        np.zeros((50, 50)), Noise(kind="gaussian", strength=1.0, accuracy=0.9),
        np.random.default_rng(0),
    )  # fmt: skip
    assert found.min() == 0.0
    assert found.max() == 1.0
