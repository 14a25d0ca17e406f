"""Each claim of docs/watermark.md in small: on networks of random weights, in seconds."""

import numpy as np
import pytest

from bench.watermark import (
    attacks,
    collusion,
    finding,
    graphs,
    null,
    permuting,
    quantised,
)
from bench.watermark.quantised import Way
from bench.watermark.trained import Weights
from registry.core.watermark.detection import Tally
from registry.core.watermark.findings import Detector
from registry.core.watermark.scheme import OWNER
from tests.bench.watermark_networks import INPUTS, NETWORKS, PICTURES

GUILTY, INNOCENT = "host-0", tuple(f"innocent-{number}" for number in range(10))
VERSIONS = {kind: finding.version(weights) for kind, weights in NETWORKS.items()}
COPIES = {kind: version.copy(GUILTY) for kind, version in VERSIONS.items()}


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_an_attacked_copy_names_its_host_and_nobody_else(name: str) -> None:
    check("MLP", attacks.ATTACKS[name](COPIES["MLP"]))


def test_a_second_mark_ten_times_as_strong_does_not_hide_the_first() -> None:
    check("MLP", finding.overwritten(COPIES["MLP"], 0.2))


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_copy_that_was_converted_and_quantised_names_its_host(kind: str) -> None:
    model = graphs.onnx_of(kind, COPIES[kind])
    check(kind, quantised.weights(model))
    check(kind, quantised.weights(quantised.quantised(model, Way.DYNAMIC, INPUTS[kind])))


@pytest.mark.parametrize("kind", ["MLP", "CNN"])
def test_a_copy_whose_neurons_were_permuted_and_rescaled_names_its_host(kind: str) -> None:
    check(kind, permuting.permuted(COPIES[kind], permuting.HIDDEN[kind], seed=1))


def check(kind: str, suspect: Weights) -> None:
    found = VERSIONS[kind].found(suspect, GUILTY, INNOCENT)
    assert found.is_named
    assert found.accused == 0
    assert found.innocent < 5


def test_another_networks_weights_name_nobody() -> None:
    strangers = {name: values[::-1].copy() for name, values in NETWORKS["MLP"].items()}
    found = VERSIONS["MLP"].found(strangers, GUILTY, INNOCENT)
    assert not found.is_named
    assert found.accused == 0


@pytest.mark.parametrize(
    ("how", "count"),
    [(how, 2 if "noise" in how else 8) for how in collusion.COLLUSIONS],
)
def test_hosts_who_mix_their_copies_are_all_named(how: str, count: int) -> None:
    version = VERSIONS["MLP"]
    hosts = [f"host-{number}" for number in range(count)]
    made = collusion.together([version.copy(host) for host in hosts], collusion.COLLUSIONS[how],
                              seed=1)  # fmt: skip
    scores = version.scores(made, [*hosts, *INNOCENT])
    named = {who for (who, _), score in scores.items() if score.u >= finding.THRESHOLD}
    assert named - {OWNER} == set(hosts)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_copy_answers_like_the_original(kind: str) -> None:
    """Random weights have no margin, so this is far from what a trained network keeps."""
    given, copied = (
        graphs.logits(graphs.onnx_of(kind, weights), INPUTS[kind])
        for weights in (NETWORKS[kind], COPIES[kind])
    )
    spread = given.std()
    assert np.abs(given - copied).max() < 0.25 * spread
    assert not np.array_equal(given, copied)


def test_the_sums_over_many_keys_are_the_detectors_own() -> None:
    suspect, version = COPIES["MLP"], VERSIONS["MLP"]
    name = "logits/kernel"
    original = version.original[name]
    tensor = finding.tensor(name, original)
    scored = null.scored([null.seen(name, suspect[name], original)], start=7, count=1)[0]
    tally = Tally({who: null.wrong_key(7).copy_key(who) for who in (OWNER, GUILTY)})
    tally.informed(tensor, suspect[name], original)
    theirs = {(one.recipient, one.detector): (one.z, one.u) for one in tally.scores()}
    marks = [(who, how) for who in (OWNER, GUILTY) for how in Detector]
    assert np.allclose(scored, [theirs[mark] for mark in marks], atol=0.011)


def test_eight_hundred_wrong_keys_fit_the_theory_and_name_nobody() -> None:
    suspect, original = COPIES["MLP"], VERSIONS["MLP"].original
    name = "hidden_1/kernel"
    kept = slice(0, 8)
    seen = null.seen(name, suspect[name][kept], original[name][kept])
    scores = null.scored([seen], start=1, count=800)
    assert np.abs(scores[:, :, 0].mean(axis=0)).max() < 0.15
    assert np.abs(scores[:, :, 0].std(axis=0) - 1).max() < 0.1
    assert scores[:, :, 1].max() < 5
    assert PICTURES.shape[1] == original[name].shape[0]
