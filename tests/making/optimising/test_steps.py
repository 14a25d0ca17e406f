"""Each step on a small network: what it writes is what was asked for, and still answers."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from registry.errors import InvalidInput, Unsupported
from registry.making.optimising import asking, graphs, layers, pruning, quantising, sensitivity
from registry.making.optimising import samples as npz
from tests.making.optimising import networks

QUANTISE: dict[str, Any] = {"perChannel": True, "calibration": "minMax", "block": 16, "exclude": []}
PRUNE: dict[str, Any] = {"scope": "layer", "exclude": []}


@pytest.fixture
def gathered(tmp_path: Path) -> Path:
    source = networks.model(tmp_path / "model.onnx")
    layers.gather(source, tmp_path / "gathered.onnx")
    return tmp_path / "gathered.onnx"


def given(model: Path, count: int = 300) -> npz.Samples:
    path = networks.samples(model.with_name("samples.npz"), count, of=model)
    return npz.read(path, (("x", "float32"),), "label")


def agreement(before: Path, after: Path, samples: npz.Samples) -> float:
    first, second = (
        asking.classes(asking.load(one, None).scores(samples, 1)) for one in (before, after)
    )
    return float(np.mean(first == second))


def initializers(path: Path) -> dict[str, Any]:
    model = onnx.load(path)
    return {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}


@pytest.mark.parametrize(
    ("mode", "operation"),
    [("dynamic", "MatMulInteger"), ("static", "QuantizeLinear"), ("int4", "MatMulNBits")],
)
def test_quantised_weights_are_integers_and_the_answers_nearly_the_same(
    gathered: Path, mode: str, operation: str
) -> None:
    target, ready = gathered.with_name("after.onnx"), gathered.with_name("ready.onnx")
    rows = given(gathered)
    quantising.prepared(gathered, ready, mode)
    asked = QUANTISE | {"mode": mode}
    quantising.quantise(ready, target, asked, calibration=quantising.calibrating(rows, None))
    kinds = {node.op_type for node in onnx.load(target).graph.node}
    assert operation in kinds
    large = [one for one in initializers(target).values() if one.size >= networks.HIDDEN * 2]
    assert {one.dtype for one in large} <= {np.dtype(np.int8), np.dtype(np.uint8)}
    assert agreement(gathered, target, rows) > 0.9


def test_a_bias_that_is_a_matrix_of_one_row_can_be_quantised_too(gathered: Path) -> None:
    """As scikit-learn's networks have them; onnxruntime's way with small scales breaks on it."""
    model = onnx.load(gathered)
    for one in model.graph.initializer:
        if one.name in {"b1", "b2"}:
            one.dims.insert(0, 1)
    onnx.save(model, gathered)
    target, ready = gathered.with_name("after.onnx"), gathered.with_name("ready.onnx")
    rows = given(gathered)
    quantising.prepared(gathered, ready, "static")
    asked = QUANTISE | {"mode": "static"}
    quantising.quantise(ready, target, asked, calibration=quantising.calibrating(rows, None))
    assert agreement(gathered, target, rows) > 0.9


def test_float16_halves_the_file_and_keeps_the_inputs_as_they_were(gathered: Path) -> None:
    target = gathered.with_name("after.onnx")
    quantising.quantise(gathered, target, QUANTISE | {"mode": "float16"})
    assert asking.load(target, None).inputs == (("x", "float32"),)
    assert initializers(target)["first"].dtype == np.float16
    assert agreement(gathered, target, given(gathered)) > 0.99


def test_an_excluded_layer_stays_as_it_was(gathered: Path) -> None:
    target, ready = gathered.with_name("after.onnx"), gathered.with_name("ready.onnx")
    quantising.prepared(gathered, ready, "dynamic")
    quantising.quantise(ready, target, QUANTISE | {"mode": "dynamic", "exclude": ["second"]})
    found = initializers(target)
    assert found["second"].dtype == np.float32
    assert "first" not in found


def test_sensitivity_leaves_the_most_fragile_layer_alone_and_says_which(tmp_path: Path) -> None:
    source = networks.model(tmp_path / "model.onnx")
    model = layers.load(source)
    # A row thirty times the others: with one scale for all, the others are lost.
    second = layers.initializer(model, "second").copy()
    second[0, :] *= 30
    layers.replace(model, "second", second)
    layers.save(model, source)
    layers.gather(source, tmp_path / "gathered.onnx")
    ready, target = tmp_path / "ready.onnx", tmp_path / "after.onnx"
    quantising.prepared(tmp_path / "gathered.onnx", ready, "dynamic")
    asked = QUANTISE | {
        "mode": "dynamic", "perChannel": False,
        "sensitivity": {"maxChanged": 0.03, "mostLayers": 4},
    }  # fmt: skip
    notes = sensitivity.quantise(ready, target, asked, given(source), None)
    found = initializers(target)
    assert "Gemm_2" in str(notes[0])
    assert found["second"].dtype == np.float32
    assert "first_Transposed_quantized" in found
    assert agreement(source, target, given(source)) > 0.9


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_magnitude_takes_the_smallest_and_as_many_as_asked_for(gathered: Path, scope: str) -> None:
    target = gathered.with_name("after.onnx")
    pruning.prune(
        gathered, target, PRUNE | {"method": "magnitude", "sparsity": 0.5, "scope": scope}
    )
    before, after = initializers(gathered), initializers(target)
    names = ("first", "second")
    gone = sum(np.count_nonzero(after[name] == 0) for name in names)
    assert gone == sum(before[name].size for name in names) // 2
    if scope == "global":
        left = min(np.abs(after[name][after[name] != 0]).min() for name in names)
        lost = max(np.abs(before[name][after[name] == 0]).max() for name in names)
        assert lost <= left
    for name in names:
        kept = after[name] != 0
        assert np.array_equal(after[name][kept], before[name][kept])


def test_two_of_each_four_along_what_a_layer_takes_in_are_kept(gathered: Path) -> None:
    target = gathered.with_name("after.onnx")
    pruning.prune(gathered, target, PRUNE | {"method": "nm", "n": 2, "m": 4})
    after = initializers(target)
    rows = after["first"].reshape(networks.HIDDEN, -1, 4)  # (out, in)
    columns = after["second"].T.reshape(networks.CLASSES, -1, 4)  # (in, out)
    assert set(np.count_nonzero(rows, axis=-1).ravel()) == {2}
    assert set(np.count_nonzero(columns, axis=-1).ravel()) == {2}


def test_a_convolution_is_pruned_along_its_channels() -> None:
    weight = np.random.default_rng(1).standard_normal((5, 8, 3, 3)).astype(np.float32)
    mask = pruning.pattern(weight, 1, 2, 4)
    assert mask.shape == weight.shape
    assert set(mask.reshape(5, 2, 4, 3, 3).sum(axis=2).ravel()) == {2}


def test_what_m_does_not_divide_stays_whole() -> None:
    mask = pruning.pattern(np.ones((3, 6), np.float32), 1, 1, 4)
    assert mask[:, 4:].all()
    assert set(mask[:, :4].sum(axis=1)) == {1}


def test_graph_optimisation_fuses_operations_and_changes_no_answer(gathered: Path) -> None:
    target = gathered.with_name("after.onnx")
    graphs.optimise(gathered, target, level="extended")
    assert len(onnx.load(target).graph.node) < 3
    assert agreement(gathered, target, given(gathered)) == 1


def test_a_model_without_layers_cannot_be_pruned(gathered: Path) -> None:
    asked = PRUNE | {"method": "magnitude", "sparsity": 0.5, "exclude": ["*"]}
    with pytest.raises(Unsupported, match="no layer to prune"):
        pruning.prune(gathered, gathered.with_name("after.onnx"), asked)


def test_a_model_that_takes_a_fixed_number_is_asked_that_many_and_answers_all(
    tmp_path: Path,
) -> None:
    free, fixed = tmp_path / "free.onnx", tmp_path / "fixed.onnx"
    networks.model(free)
    networks.model(fixed, fixed=8)
    rows = given(free, 30)
    answers = [asking.load(one, None).scores(rows, 3) for one in (free, fixed)]
    assert answers[1].shape == (30, networks.CLASSES)
    assert np.allclose(*answers, atol=1e-5)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"z": np.zeros((3, 16), np.float32)}, "no array 'x'"),
        ({"x": np.full((3, 16), np.nan)}, "no finite numbers"),
        ({"x": np.zeros((3, 16)), "label": np.zeros(2, np.int64)}, "not as many of each"),
        ({"x": np.zeros((3, 16)), "label": np.array([0.5, 1, 2])}, "are no classes"),
        ({"x": np.zeros((3, 16))}, "no array 'label'"),
    ],
)
def test_samples_that_cannot_be_right_are_refused(
    tmp_path: Path, arrays: dict[str, Any], said: str
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InvalidInput, match=said):
        npz.read(tmp_path / "bad.npz", (("x", "float32"),), "label")


def test_a_pickle_in_an_npz_is_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", x=np.array([print], dtype=object))
    with pytest.raises(InvalidInput, match="not an npz file"):
        npz.read(tmp_path / "bad.npz", (("x", "float32"),), None)
