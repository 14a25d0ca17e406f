"""Labels come late, several to a user, and out of order: still no false alarms above the level."""

from dataclasses import dataclass

import numpy as np
import pytest

from reconciler.core.experiments import evidence, ratio
from reconciler.core.experiments.deciding import MISMATCH_ALPHA
from reconciler.core.experiments.evidence import Design, Evidence
from reconciler.core.experiments.totals import Increment, Total, scaled
from reconciler.core.kinds.experiment import Observed
from registry.core import reading

LEVEL, USERS, EACH, LOOKS = 0.05, 600, 8, 60
DESIGN = Design(alpha=LEVEL, smallest=0.05)


@dataclass(frozen=True)
class World:
    """What users of both variants are like: their own accuracies vary by `spread` around `rate`.

    A label comes after `wait` looks on average, and after `late` times as many where the answer was
    wrong; `lost` of them never do. `better` is by how much the treatment is.
    """

    rate: float = 0.8
    spread: float = 0.0
    wait: float = 10.0
    late: float = 1.0
    lost: float = 0.0
    better: float = 0.0

    @property
    def effect(self) -> float:
        """How much more a sum varies since one user sends several requests (Kish 1965): with the
        correlation r of two answers to one user, 1 + (EACH - 1) r."""
        if not self.spread:
            return 1.0
        return 1 + (EACH - 1) * self.spread**2 / (self.rate * (1 - self.rate))


def metric(effect: float) -> Observed:
    document = {
        "name": "accuracy",
        "better": "higher",
        "proportion": {},
        "source": {"labels": {"metric": "accuracy", "output": "y", "designEffect": effect}},
    }
    return reading.part(document, Observed, what="metric")


def increments(rng: np.random.Generator, world: World) -> list[Increment]:
    """What each look finds: the labels that have come since the one before."""
    treated = rng.random(USERS) < 0.5
    middle = world.rate + world.better * treated
    own = np.clip(middle + world.spread * rng.choice([-1.0, 1.0], USERS), 0, 1)
    right = rng.random((USERS, EACH)) < own[:, None]
    # A user comes at one look and sends everything then.
    came = rng.integers(0, LOOKS, USERS)[:, None]
    wait = rng.exponential(world.wait * np.where(right, 1.0, world.late))
    known = np.floor(came + wait).astype(int)
    known[rng.random((USERS, EACH)) < world.lost] = LOOKS
    found = []
    for look in range(LOOKS):
        here = known == look
        pair = []
        for side in (~treated, treated):
            now = here & side[:, None]
            pair.append(Total(float(now.sum()), hits := float((now & right).sum()), hits))
        found.append(Increment(pair[0], pair[1]))
    return found


def is_sure(world: World, effect: float, seed: int) -> bool:
    """Whether any look of one experiment named a winner."""
    observed, seen = metric(effect), Evidence()
    for came in increments(np.random.default_rng(seed), world):
        sums = scaled(observed, came)
        assert isinstance(sums, tuple)
        seen = evidence.after(DESIGN, seen, *sums)
        if evidence.against(DESIGN, seen, 0.0) >= DESIGN.threshold:
            return True
    return False


def share(world: World, *, effect: float | None = None, runs: int = 100) -> float:
    effect = world.effect if effect is None else effect
    return sum(is_sure(world, effect, seed) for seed in range(runs)) / runs


@pytest.mark.parametrize(
    "world",
    [
        World(late=5.0),
        World(rate=0.7, spread=0.25),
        World(rate=0.7, spread=0.25, late=5.0, lost=0.3),
    ],
    ids=["the wrong ones later", "users differ", "both, and some never come"],
)
def test_late_labels_name_no_winner_where_there_is_none(world: World) -> None:
    assert share(world) <= LEVEL


def test_requests_taken_for_users_would_raise_false_alarms() -> None:
    """What the design effect is for: without it this world breaks the level."""
    extreme = World(rate=0.5, spread=0.5)
    assert extreme.effect == EACH
    assert share(extreme, effect=1.0) > 2 * LEVEL
    assert share(extreme) <= LEVEL


def test_a_better_version_is_found_by_late_labels() -> None:
    assert share(World(late=3.0, better=0.12), runs=30) > 0.9


def test_labels_that_one_variant_loses_are_a_mismatch() -> None:
    """As with 32,768 answers kept: whose come sooner than their labels loses some."""
    found = increments(np.random.default_rng(1), World())
    control = sum(one.control.count for one in found)
    treatment = sum(one.treatment.count for one in found)
    limit = -np.log(MISMATCH_ALPHA)
    # Several labels to a user: what is tested is a share of users.
    assert ratio.against(control / EACH, treatment / EACH, 0.5) < limit
    assert ratio.against(control * 0.7 / EACH, treatment / EACH, 0.5) >= limit
