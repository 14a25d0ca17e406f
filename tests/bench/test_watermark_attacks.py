"""The attacks do what their names say, on networks of random weights: nothing is trained here."""

from pathlib import Path

import numpy as np
import pytest

from bench.watermark import attacks, collusion, graphs, permuting, quantised, trained
from bench.watermark.tasks import Array
from bench.watermark.trained import Weights
from tests.bench.watermark_networks import INPUTS, NETWORKS, PICTURES, RANDOM


def asked(kind: str, weights: Weights) -> Array:
    return graphs.logits(graphs.onnx_of(kind, weights), INPUTS[kind])


@pytest.mark.parametrize("kind", NETWORKS)
def test_neurons_in_another_order_and_scale_leave_the_answers_as_they_were(kind: str) -> None:
    weights = NETWORKS[kind]
    changed = permuting.permuted(weights, permuting.HIDDEN[kind], seed=1)
    assert np.allclose(asked(kind, changed), asked(kind, weights), rtol=1e-3, atol=1e-3)
    still = {
        name
        for name, values in weights.items()
        if values.ndim >= 2 and np.allclose(values, changed[name])
    }
    # What touches only the residual stream: its order is another attack.
    assert still <= {"words/embeddings", "places/embeddings", "logits/kernel"}


def test_a_turned_residual_stream_leaves_the_answers_as_they_were() -> None:
    weights = NETWORKS["transformer"]
    changed = permuting.turned(weights, seed=1)
    assert np.allclose(asked("transformer", changed), asked("transformer", weights), atol=1e-3)
    assert not np.allclose(changed["words/embeddings"], weights["words/embeddings"])


@pytest.mark.parametrize("way", quantised.Way)
def test_weights_read_back_from_onnxruntimes_int8_are_those_that_went_in(
    way: quantised.Way,
) -> None:
    model = graphs.onnx_of("MLP", NETWORKS["MLP"])
    read = quantised.weights(quantised.quantised(model, way, PICTURES))
    found = [w for w in read.values() if w.ndim == 2 and set(w.shape) == {1024, 512}]
    kernel = NETWORKS["MLP"]["hidden_2/kernel"]
    nearest = min(
        float(np.abs(part - kernel).max())
        for w in found
        for part in (w, w.T)
        if part.shape == kernel.shape
    )
    assert len(found) == 1
    assert 0 < nearest < np.abs(kernel).max() / 100


def test_pruning_takes_the_smallest_and_noise_has_its_size() -> None:
    values = NETWORKS["MLP"]["hidden_2/kernel"]
    pruned = attacks.pruned(values, RANDOM, share=0.9)
    assert np.isclose((pruned == 0).mean(), 0.9, atol=1e-3)
    assert np.abs(pruned[pruned != 0]).min() >= np.abs(values[pruned == 0]).max()
    noisy = attacks.noisy(values, RANDOM, sigma=0.5)
    assert np.isclose((noisy - values).std() / values.std(), 0.5, rtol=0.01)


def test_int4_leaves_fifteen_levels_in_a_block_and_bfloat16_seven_bits() -> None:
    values = NETWORKS["MLP"]["hidden_1/kernel"]
    assert all(len(np.unique(block)) <= 15 for block in attacks.int4(values, RANDOM)[:32].T)
    assert not np.any(attacks.brain(values, RANDOM).view(np.uint32) & 0xFFFF)


@pytest.mark.parametrize("how", collusion.COLLUSIONS)
def test_what_colluders_make_lies_within_their_copies(how: str) -> None:
    copies = [{"w": RANDOM.normal(0, 1, 5000)} for _ in range(4)]
    made = collusion.together(copies, collusion.COLLUSIONS[how], seed=1)["w"]
    stacked = np.stack([copy["w"] for copy in copies]).astype(np.float32)
    assert np.all((made >= stacked.min(axis=0) - 1e-6) & (made <= stacked.max(axis=0) + 1e-6))


def test_training_code_that_changes_trains_anew_and_a_comment_does_not(tmp_path: Path) -> None:
    said: trained.Said = {"work": "train", "kind": "MLP"}
    (tmp_path / "code.py").write_text("RATE = 1\n")
    first = trained.named(said, {}, [tmp_path / "code.py"])
    (tmp_path / "code.py").write_text("RATE = 1  # slow\n")
    assert trained.named(said, {}, [tmp_path / "code.py"]) == first
    (tmp_path / "code.py").write_text("RATE = 2\n")
    assert trained.named(said, {}, [tmp_path / "code.py"]) != first
