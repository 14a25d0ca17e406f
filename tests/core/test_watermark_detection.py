"""Whose copy it is: found through what leakers do, and never where there is no mark."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from registry.core.watermark import alignment, comparing, findings, statistics
from registry.core.watermark.comparing import Compared
from registry.core.watermark.detection import Tally
from registry.core.watermark.embedding import THRESHOLDS
from registry.core.watermark.findings import Candidate, Detector, Finding, Verdict
from registry.core.watermark.keys import CopyKey
from registry.core.watermark.scheme import OWNER, Tensor
from tests.core.marked_models import OTHER, VERSION, Model, copy_for, held, network, reordered

ORIGINAL = network()
HOSTS = [f"edge-{number}" for number in range(12)]
KEYS = {name: VERSION.copy_key(name) for name in (OWNER, *HOSTS)}
COPY = copy_for("edge-3", ORIGINAL)


def compared(suspect: Model, keys: dict[str, CopyKey] | None = None) -> Compared:
    return comparing.compare(held(suspect), held(ORIGINAL), keys or KEYS)


def verdict(found: Compared) -> Verdict:
    one = "sha256:" + "1" * 64
    return findings.verdict(
        [
            Candidate(
                "fraud", 7, "onnx", one, one, 1, 1, 0.02, found.matched, found.matched,
                found.realigned, found.similarity, "", found.scores,
            )
        ]
    )  # fmt: skip


def on_each(change: Callable[[np.ndarray], np.ndarray]) -> Model:
    return {name: change(array).astype(np.float32) for name, array in COPY.items()}


def int8(array: np.ndarray) -> np.ndarray:
    scale = np.abs(array).max() / 127
    return np.round(array / scale) * scale


def pruned(array: np.ndarray) -> np.ndarray:
    return np.where(np.abs(array) < np.quantile(np.abs(array), 0.9), 0, array)


def noisy(array: np.ndarray) -> np.ndarray:
    return array + 0.25 * array.std() * np.random.default_rng(9).standard_normal(array.shape)


LEAKS: dict[str, Callable[[], Model]] = {
    "as it was": lambda: COPY,
    "in float16": lambda: on_each(lambda array: array.astype(np.float16)),
    "in int8": lambda: on_each(int8),
    "pruned to a tenth": lambda: on_each(pruned),
    "with noise": lambda: on_each(noisy),
    "scaled by an unknown factor": lambda: on_each(lambda array: array * 37),
    "transposed, under other names": lambda: {f"v{n}": a.T for n, a in enumerate(COPY.values())},
    "with its neurons in another order": lambda: reordered(COPY),
    "reordered, in int8": lambda: {name: int8(a) for name, a in reordered(COPY).items()},
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leaked_copy_names_its_host_and_nobody_else(leak: str) -> None:
    found = verdict(compared(LEAKS[leak]()))
    assert (found.finding, found.named) == (Finding.RECIPIENT, ("edge-3",))


def test_reordered_neurons_are_put_back_before_anything_is_scored() -> None:
    found = compared(reordered(COPY))
    assert found.realigned == 3
    assert found.similarity > 0.99
    assert compared(COPY).realigned == 0


@pytest.mark.parametrize("mix", ["mean", "median", "min", "max"])
def test_hosts_that_mix_their_copies_are_all_named(mix: str) -> None:
    who = HOSTS[:4]
    copies = [copy_for(name, ORIGINAL) for name in who]
    mixed = {
        name: np.asarray(getattr(np, mix)(np.stack([one[name] for one in copies]), axis=0))
        for name in ORIGINAL
    }
    found = verdict(compared(mixed))
    assert found.finding is Finding.RECIPIENTS
    assert set(found.named) == set(who)


def test_the_owners_copy_is_known_as_yours_and_as_nobodys() -> None:
    assert verdict(compared(copy_for(OWNER, ORIGINAL))).finding is Finding.OWNER


def test_the_publishers_own_file_scores_nothing_and_is_said_to_be_unmarked() -> None:
    found = compared(ORIGINAL)
    assert {one.u for one in found.scores if one.detector is Detector.INFORMED} == {0.0}
    assert found.similarity == 1.0
    assert verdict(found).finding is Finding.UNMARKED


def test_a_stranger_of_the_same_shapes_is_not_accused_of_anything() -> None:
    assert verdict(compared(network(seed=99))).finding is Finding.NONE


def test_the_key_of_another_version_finds_nothing() -> None:
    wrong = {name: OTHER.copy_key(name) for name in KEYS}
    assert verdict(compared(COPY, wrong)).named == ()
    assert verdict(compared(COPY, wrong)).finding is Finding.UNMARKED


def test_blind_needs_no_original_but_the_same_names() -> None:
    tensors = [one.tensor for one in held(ORIGINAL).values()]
    large = {"w": np.random.default_rng(2).standard_normal((700, 700)).astype(np.float32)}
    tensors = [Tensor("w", "float32", (700, 700))]
    found = comparing.compare_blind(held(copy_for("edge-3", large)), tensors, KEYS)
    assert {one.detector for one in found.scores} == {Detector.BLIND}
    assert verdict(found).named == ("edge-3",)
    assert comparing.compare_blind(held({"v": large["w"]}), tensors, KEYS).scores == ()


@pytest.mark.parametrize("flaw", ["zeros", "infinite", "no numbers"])
def test_weights_that_are_no_weights_score_nothing(flaw: str) -> None:
    value = {"zeros": 0.0, "infinite": np.inf, "no numbers": np.nan}[flaw]
    found = compared({name: np.full_like(array, value) for name, array in ORIGINAL.items()})
    assert all(math.isfinite(one.u) and math.isfinite(one.z) for one in found.scores)
    assert verdict(found).named == ()


def test_weights_of_other_shapes_are_not_compared() -> None:
    suspect = held({"w": np.ones((3, 5), np.float32)})
    ours = [one.tensor for one in held(ORIGINAL).values()]
    assert not alignment.is_comparable([one.tensor for one in suspect.values()], ours)
    assert comparing.compare(suspect, held(ORIGINAL), KEYS) == Compared(0, 0, 0.0, ())


@dataclass
class Counted:
    """A tensor that counts how often it is read."""

    tensor: Tensor
    array: np.ndarray
    times: list[int]

    @property
    def load(self) -> Callable[[], np.ndarray]:
        self.times.append(1)
        return lambda: self.array


def test_a_suspect_of_very_many_tensors_costs_no_more_than_some_looks_at_each() -> None:
    random, times = np.random.default_rng(5), list[int]()
    shape = (24, 24)
    ours = {f"w{n}": random.standard_normal(shape).astype(np.float32) for n in range(10)}
    theirs = {
        f"v{n}": Counted(
            Tensor(f"v{n}", "float32", shape), random.standard_normal(shape, np.float32), times
        )
        for n in range(3000)
    }
    found = comparing.compare(theirs, held(ours), {OWNER: KEYS[OWNER]})
    assert verdict(found).finding is Finding.NONE
    assert len(times) <= 40 * len(ours) + 2 * len(ours)


def test_two_thousand_innocents_score_as_the_theory_says_and_stay_within_the_bound() -> None:
    """On a copy that is marked for somebody else: its weights are far from random."""
    small = {"w": np.random.default_rng(4).standard_normal((50, 40)).astype(np.float32)}
    suspect = copy_for("edge-3", small)["w"]
    tally = Tally({f"host-{n}": VERSION.copy_key(f"host-{n}") for n in range(2000)})
    tally.informed(Tensor("w", "float32", (50, 40)), suspect, small["w"])
    scores = tally.scores()
    assert len(scores) == 4000
    z = np.array([one.z for one in scores])
    assert abs(z.mean()) < 0.08
    assert abs(z.std() - 1) < 0.05
    u = np.array([one.u for one in scores])
    for level in (1.0, 1.5, 2.0, 2.5, 3.0):
        assert np.mean(u >= level) <= math.exp(-(level**2) / 2)
    assert u.max() < statistics.threshold(4000)


def test_no_bound_is_claimed_that_does_not_hold() -> None:
    """E exp(t·x) ≤ exp(t²·v/2), for each chip less its mean and for the bias, for all t."""
    for t in np.concatenate([np.geomspace(1e-2, 60, 400), -np.geomspace(1e-2, 60, 400)]):
        for limit in set(THRESHOLDS):
            p, mean = limit / 256, float(statistics.MEANS[limit])
            plus, minus = math.log(p) + t * (1 - mean), math.log(1 - p) + t * (-1 - mean)
            moment = np.logaddexp(plus, minus)
            proxy = float(statistics.CHIP_PROXIES[limit])
            assert moment <= t * t * proxy / 2 * (1 + 1e-6) + 1e-9
        means = statistics.MEANS[np.frombuffer(THRESHOLDS, np.uint8)].astype(np.float64)
        moment = np.log(np.mean(np.exp(t * means - abs(t)))) + abs(t)
        assert moment <= t * t * statistics.BIAS_PROXY / 2 + 1e-9
