"""Structured pruning: a channel goes from all that makes or takes it; what cannot go stays."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from registry.errors import Unsupported
from registry.making.optimising import asking, channels, layers, thinning
from registry.making.optimising.learning import students
from tests.making.optimising import networks

HALF: dict[str, Any] = {"method": "channels", "sparsity": 0.5, "scope": "layer", "exclude": []}
CONV = {"kernel": 3, "stride": 1, "norm": True, "activation": "relu"}


def sizes(path: Path) -> dict[str, tuple[int, ...]]:
    return {one.name: tuple(one.dims) for one in onnx.load(path).graph.initializer}


def answers(path: Path, rows: Any) -> Any:
    loaded = asking.load(path, None)
    return loaded.run({loaded.inputs[0][0]: rows})


def pictures(path: Path) -> Path:
    """Two convolutions with norms, a pool, a flattening, two dense layers."""
    what = students.Taken("x", TensorProto.FLOAT, (64,), "y")
    declared: list[dict[str, Any]] = [
        {"reshape": [1, 8, 8]},
        {"conv": CONV | {"channels": 6}},
        {"maxPool": {"size": 2}},
        {"conv": CONV | {"channels": 8}},
        {"flatten": {}},
        {"dense": {"width": 12, "activation": "relu"}},
        {"dense": {"width": 10, "activation": "none"}},
    ]
    students.write(declared, what, 1, path)
    return path


def graph(path: Path, nodes: list[Any], weights: dict[str, Any], output: str) -> Path:
    made = helper.make_graph(
        [helper.make_node(*one[:3], name=one[2][0], **(one[3] if len(one) > 3 else {}))
         for one in nodes],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 6, 6])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save_model(model, path)
    return path


def residual(path: Path, *, with_input: bool = False) -> Path:
    """conv a, then conv b added to a's output (or to the input), an average, a dense layer."""
    random = np.random.default_rng(1)

    def drawn(*shape: int) -> Any:
        return random.standard_normal(shape).astype(np.float32)

    width = 3 if with_input else 8
    weights = {"wa": drawn(8, 3, 1, 1), "ba": drawn(8), "wb": drawn(width, 8, 1, 1),
               "wc": drawn(width, 5), "axes": np.array([2, 3])}  # fmt: skip
    nodes = [
        ("Conv", ["x", "wa", "ba"], ["a"]), ("Relu", ["a"], ["r"]), ("Conv", ["r", "wb"], ["b"]),
        ("Add", ["b", "x" if with_input else "r"], ["sum"]),
        ("ReduceMean", ["sum", "axes"], ["mean"], {"keepdims": 0}),
        ("MatMul", ["mean", "wc"], ["y"]),
    ]  # fmt: skip
    return graph(path, nodes, weights, "y")


def test_channels_go_through_norms_pools_and_a_flattening_and_the_file_is_smaller(
    tmp_path: Path,
) -> None:
    source, target = pictures(tmp_path / "model.onnx"), tmp_path / "after.onnx"
    notes = thinning.prune(source, target, HALF)
    assert notes[0] == "channels: Conv_3 6 to 3, Conv_9 8 to 4, Gemm_15 12 to 6"
    assert "they are the answer" in str(notes[1])
    after = sizes(target)
    assert after["weight_3"] == (3, 1, 3, 3)
    assert after["mean_4"] == (3,)
    assert after["weight_9"] == (4, 3, 3, 3)
    assert after["weight_15"] == (4 * 4 * 4, 6)
    assert after["weight_18"] == (6, 10)
    assert answers(target, np.zeros((3, 64), np.float32)).shape == (3, 10)
    assert target.stat().st_size < source.stat().st_size / 2


@pytest.mark.parametrize("build", [pictures, residual])
def test_channels_that_nothing_listens_to_go_without_a_trace(tmp_path: Path, build: Any) -> None:
    """Half of each layer is deaf and nearly mute: what is cut is just that, and nothing changes."""
    source, target = build(tmp_path / "model.onnx"), tmp_path / "after.onnx"
    model, found = layers.load(source), channels.of(source, tmp_path)
    free = [one for one in thinning.groups(model, found, []) if one.stays is None]
    quiet = [root for group in free for root in group.roots[::2]]
    for cut in found.cuts:
        values = layers.initializer(model, cut.name).copy()
        rows = np.moveaxis(values, cut.axis, 0)
        if values.ndim >= 2:
            rows[np.isin(found.roots(cut.numbers), quiet)] *= 0.01 if cut.gives else 0
        layers.replace(model, cut.name, values)
    layers.save(model, source)
    thinning.prune(source, target, HALF)
    shape = (20, 64) if build is pictures else (20, 3, 6, 6)
    rows = np.random.default_rng(2).random(shape).astype(np.float32)
    assert target.stat().st_size < source.stat().st_size
    assert np.allclose(answers(source, rows), answers(target, rows), atol=1e-5)


def test_what_a_residual_connection_joins_goes_together(tmp_path: Path) -> None:
    target = tmp_path / "after.onnx"
    thinning.prune(residual(tmp_path / "model.onnx"), target, HALF)
    after = sizes(target)
    assert after["wa"] == (4, 3, 1, 1)
    assert after["ba"] == (4,)
    assert after["wb"] == (4, 4, 1, 1)
    assert after["wc"] == (4, 5)


def test_a_residual_connection_with_what_has_no_channels_is_refused_with_its_reason(
    tmp_path: Path,
) -> None:
    source = residual(tmp_path / "model.onnx", with_input=True)
    with pytest.raises(Unsupported, match="b: they are joined with what has no channels"):
        thinning.prune(source, tmp_path / "after.onnx", HALF | {"exclude": ["a"]})
    # The other convolution is not joined with anything.
    thinning.prune(source, tmp_path / "after.onnx", HALF)
    assert sizes(tmp_path / "after.onnx")["wb"] == (3, 4, 1, 1)


def test_heads_and_what_a_norm_counts_over_stay_and_the_inner_width_goes(tmp_path: Path) -> None:
    what = students.Taken("x", TensorProto.INT64, (6,), "y")
    declared: list[dict[str, Any]] = [
        {"embedding": {"words": 50, "width": 8, "places": True}},
        {"encoder": {"heads": 2, "hidden": 16}},
        {"globalAverage": {}},
        {"dense": {"width": 3, "activation": "none"}},
    ]
    students.write(declared, what, 1, tmp_path / "model.onnx")
    notes = thinning.prune(tmp_path / "model.onnx", tmp_path / "after.onnx", HALF)
    assert str(notes[0]).endswith("16 to 8")
    assert "LayerNormalization, counts over all of them" in str(notes[1])
    assert "as heads of attention are" in str(notes[1])
    words = np.arange(12).reshape(2, 6)
    assert answers(tmp_path / "after.onnx", words).shape == (2, 3)


def test_over_all_layers_the_lightest_go_and_one_of_each_stays(tmp_path: Path) -> None:
    source, target = pictures(tmp_path / "model.onnx"), tmp_path / "after.onnx"
    thinning.prune(source, target, HALF | {"scope": "global", "sparsity": 0.9})
    after = sizes(target)
    assert sum(after[name][0] for name in ("weight_3", "weight_9")) + after["weight_15"][1] == 3
    assert answers(target, np.zeros((3, 64), np.float32)).shape == (3, 10)


def test_a_weight_that_is_used_twice_is_cut_for_both_or_stays(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    weights = {"w": random.standard_normal((3, 3, 1, 1)).astype(np.float32),
               "v": random.standard_normal((3, 4)).astype(np.float32)}  # fmt: skip
    nodes = [
        ("Conv", ["x", "w"], ["a"]), ("Conv", ["a", "w"], ["b"]),
        ("GlobalAveragePool", ["b"], ["p"]), ("Flatten", ["p"], ["f"]),
        ("MatMul", ["f", "v"], ["y"]),
    ]  # fmt: skip
    source = graph(tmp_path / "model.onnx", nodes, weights, "y")
    with pytest.raises(Unsupported, match="w is used elsewhere too"):
        thinning.prune(source, tmp_path / "after.onnx", HALF)


def test_a_model_of_dense_layers_of_either_layout_is_thinned(tmp_path: Path) -> None:
    source = networks.model(tmp_path / "model.onnx")
    layers.gather(source, tmp_path / "gathered.onnx")
    thinning.prune(tmp_path / "gathered.onnx", tmp_path / "after.onnx", HALF)
    after = sizes(tmp_path / "after.onnx")
    assert after["first"] == (networks.HIDDEN // 2, networks.WIDTH)
    assert after["second"] == (networks.HIDDEN // 2, networks.CLASSES)
    assert after["b1"] == (networks.HIDDEN // 2,)
