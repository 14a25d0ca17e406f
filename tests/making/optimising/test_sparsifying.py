"""Pruning that learns: sparsity grows by its schedule, gates close, and what is gone stays gone."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from registry.errors import Unsupported
from registry.making.optimising import asking, layers, pruning, thinning
from registry.making.optimising.learning import distilling, sparsifying
from registry.making.optimising.learning.gates import Gates
from registry.making.optimising.learning.networks import Network
from registry.making.optimising.learning.sparsifying import Masks
from tests.making.optimising import networks

LEARN = {"epochs": 5, "batch": 64, "learningRate": 0.005, "weightDecay": 0.0, "seed": 1,
         "threads": 1}  # fmt: skip
MAGNITUDE: dict[str, Any] = {"method": "magnitude", "scope": "layer", "exclude": [],
                             "sparsity": 0.8}  # fmt: skip
SCHEDULE = {"start": 0.0, "ramp": 0.6, "every": 5}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("sparsifying")
    networks.model(found / "model.onnx")
    layers.gather(found / "model.onnx", found / "gathered.onnx")
    networks.samples(found / "training.npz", 2000, of=found / "model.onnx", seed=2)
    networks.samples(found / "golden.npz", 1000, of=found / "model.onnx", seed=3)
    return found


def pruned(folder: Path, target: Path, step: dict[str, Any]) -> list[Any]:
    request = {
        "model": str(folder / "gathered.onnx"), "training": str(folder / "training.npz"),
        "label": "label", "output": None, "step": {"prune": step},
    }  # fmt: skip
    return list(sparsifying.prune(request, target))


def right(folder: Path, model: Path) -> float:
    given = distilling.training_data(
        {"training": str(folder / "golden.npz"), "label": "label"}, folder / "gathered.onnx"
    )
    assert given.labels is not None
    found = asking.classes(asking.load(model, None).scores(given, 64))
    return float(np.mean(found == given.labels))


def initializers(path: Path) -> dict[str, Any]:
    return layers.values(onnx.load(path))


def test_sparsity_grows_fast_first_and_ends_as_asked() -> None:
    grown = [sparsifying.share(0.8, 0.2, done) for done in (0, 0.25, 0.5, 1, 2)]
    assert grown == pytest.approx([0.2, 0.8 - 0.6 * 0.75**3, 0.8 - 0.6 * 0.125, 0.8, 0.8])


def test_after_each_step_the_weights_that_are_gone_are_0_and_are_as_many_as_scheduled(
    folder: Path,
) -> None:
    network = Network(folder / "gathered.onnx")
    found = pruning.prunable(layers.load(folder / "gathered.onnx"), [])
    masks = Masks(network, found, MAGNITUDE | {"schedule": SCHEDULE})
    seen = []
    for step in range(1, 101):
        with torch.no_grad():
            for weight in network.weights.values():
                weight.add_(0.001)  # as a step of learning would, of those that are gone too
        masks.after(step, 100)
        seen.append(float((network.weights["first"] == 0).float().mean()))
    assert seen == sorted(seen)
    assert seen[29] == pytest.approx(sparsifying.share(0.8, 0.0, 0.5), abs=0.001)
    assert seen[59] == seen[-1] == pytest.approx(0.8, abs=0.001)


def test_what_learns_again_loses_less_than_what_is_only_cut(folder: Path, tmp_path: Path) -> None:
    cut, tuned = tmp_path / "cut.onnx", tmp_path / "tuned.onnx"
    pruning.prune(folder / "gathered.onnx", cut, MAGNITUDE)
    notes = pruned(folder, tuned, MAGNITUDE | {"learn": LEARN, "schedule": SCHEDULE})
    after = initializers(tuned)
    for name in ("first", "second"):
        assert np.mean(after[name] == 0) == pytest.approx(0.8, abs=0.01)
    assert "80.0 % of 1,280 weights" in notes[0] or "79.9 % of 1,280 weights" in notes[0]
    assert right(folder, tuned) > right(folder, cut) + 0.05


def test_a_pattern_of_two_of_four_holds_through_learning(folder: Path, tmp_path: Path) -> None:
    step = {"method": "nm", "n": 2, "m": 4, "scope": "layer", "exclude": [], "learn": LEARN}
    pruned(folder, tmp_path / "model.onnx", step)
    rows = initializers(tmp_path / "model.onnx")["first"].reshape(networks.HIDDEN, -1, 4)
    assert set(np.count_nonzero(rows, axis=-1).ravel()) == {2}


def test_thinned_layers_learn_again_guided_by_the_model_before(
    folder: Path, tmp_path: Path
) -> None:
    step = {"method": "channels", "sparsity": 0.5, "scope": "layer", "exclude": []}
    guidance = {"alpha": 1.0, "distance": "kl", "temperature": 2.0}
    thinning.prune(folder / "gathered.onnx", tmp_path / "cut.onnx", step)
    pruned(folder, tmp_path / "tuned.onnx", step | {"learn": LEARN, "guidance": guidance})
    assert initializers(tmp_path / "tuned.onnx")["first"].shape == (networks.HIDDEN // 2, 16)
    assert right(folder, tmp_path / "tuned.onnx") > right(folder, tmp_path / "cut.onnx") + 0.05


def test_a_higher_penalty_closes_more_gates_and_their_channels_are_gone(
    folder: Path, tmp_path: Path
) -> None:
    left = []
    for penalty in (0.01, 3.0):
        step = {"method": "l0", "penalty": penalty, "gates": "channels", "scope": "layer",
                "exclude": [], "learn": LEARN}  # fmt: skip
        # `prune` itself compares onnxruntime's answers with those of the gated network.
        pruned(folder, tmp_path / f"{penalty}.onnx", step)
        left.append(initializers(tmp_path / f"{penalty}.onnx")["first"].shape[0])
    assert left[1] < left[0] <= networks.HIDDEN
    assert right(folder, tmp_path / "0.01.onnx") > 0.75


def test_gates_of_weights_make_zeros(folder: Path, tmp_path: Path) -> None:
    step = {"method": "l0", "penalty": 1.0, "gates": "weights", "scope": "layer",
            "exclude": ["second"], "learn": LEARN}  # fmt: skip
    pruned(folder, tmp_path / "model.onnx", step)
    after = initializers(tmp_path / "model.onnx")
    assert 0.1 < np.mean(after["first"] == 0) < 1
    assert np.mean(after["second"] == 0) == 0
    assert right(folder, tmp_path / "model.onnx") > 0.5


def test_gates_are_drawn_as_the_paper_has_them() -> None:
    torch.manual_seed(1)
    gates = Gates([1] * 50_000)
    drawn = gates.drawn().detach()
    # Equation 12: the chance that a gate is not 0; all gates are of one size.
    assert float((drawn > 0).float().mean()) == pytest.approx(
        float(gates.expected().detach()), abs=0.01
    )
    assert float(drawn.min()) == 0
    assert float(drawn.max()) == 1


def test_gates_where_no_channel_may_go_are_refused(folder: Path, tmp_path: Path) -> None:
    step = {"method": "l0", "penalty": 1.0, "gates": "channels", "scope": "layer",
            "exclude": ["*"], "learn": LEARN}  # fmt: skip
    with pytest.raises(Unsupported, match="no channel may go: Gemm_0: it is excluded"):
        pruned(folder, tmp_path / "model.onnx", step)
