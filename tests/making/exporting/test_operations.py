"""Operations of ONNX, built in TensorFlow, against ONNX Runtime on the same numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from registry.making import exporting
from registry.making.refusals import NotConvertible

RNG = np.random.default_rng(11)
Case = tuple[str, list[int | None], dict[str, Any], list[Any]]


def weights(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def whole(*values: int) -> Any:
    return np.array(values, np.int64)


CASES: dict[str, Case] = {
    "conv in groups": (
        "Conv",
        [None, 4, 9, 9],
        {"group": 2, "pads": [1, 0, 2, 1]},
        [weights(6, 2, 3, 3), weights(6)],
    ),
    "conv with dilations": (
        "Conv",
        [None, 3, 11, 11],
        {"dilations": [1, 2]},
        [weights(5, 3, 3, 3)],
    ),
    "conv by depth": ("Conv", [None, 4, 8, 8], {"group": 4}, [weights(8, 1, 3, 3), weights(8)]),
    "conv over a line": (
        "Conv",
        [None, 3, 12],
        {"auto_pad": "SAME_LOWER", "strides": [2]},
        [weights(4, 3, 4)],
    ),
    "conv turned round": (
        "ConvTranspose",
        [None, 3, 5, 5],
        {"strides": [2, 2], "pads": [1, 1, 0, 1]},
        [weights(3, 4, 3, 3), weights(4)],
    ),
    "max with a rest": (
        "MaxPool",
        [None, 2, 7, 7],
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        [],
    ),
    "average without its padding": (
        "AveragePool",
        [None, 2, 6, 6],
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
        [],
    ),
    "average with its padding": (
        "AveragePool",
        [None, 2, 6, 6],
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        [],
    ),
    "gemm": (
        "Gemm",
        [None, 4],
        {"transB": 1, "alpha": 0.5, "beta": 2.0},
        [weights(3, 4), weights(3)],
    ),
    "matmul of a vector": ("MatMul", [None, 4], {}, [weights(4)]),
    "reshape that keeps": ("Reshape", [None, 4, 6], {}, [whole(0, -1, 3)]),
    "slice from behind": (
        "Slice",
        [None, 9],
        {},
        [whole(-1), whole(-(1 << 62)), whole(1), whole(-2)],
    ),
    "gather from behind": ("Gather", [None, 5], {"axis": 1}, [whole(-1, 0, -5)]),
    "gather elements": (
        "GatherElements",
        [3, 4],
        {"axis": -1},
        [np.array([[0, -1], [2, 1], [3, 3]])],
    ),
    "pad by reflection": ("Pad", [None, 5], {"mode": "reflect"}, [whole(0, 2, 0, 1)]),
    "expand": ("Expand", [None, 1, 4], {}, [whole(3, 1)]),
    "split": ("Split", [None, 7], {"axis": 1}, [whole(3, 4)]),
    "top": ("TopK", [None, 6], {"largest": 0}, [whole(2)]),
    "mean of squares": ("ReduceSumSquare", [None, 3, 4], {"keepdims": 0}, [whole(-1)]),
    "argmax": ("ArgMax", [None, 5], {"axis": 1, "keepdims": 0}, []),
    "layer norm": ("LayerNormalization", [None, 3, 6], {"axis": -1}, [weights(6), weights(6)]),
    "instance norm": ("InstanceNormalization", [None, 3, 6], {}, [weights(3), weights(3)]),
    "half pixels": (
        "Resize",
        [None, 2, 4, 4],
        {"mode": "linear"},
        [np.array([], np.float32), np.array([1, 1, 2, 2], np.float32)],
    ),
    "nearest": (
        "Resize",
        [None, 2, 4, 4],
        {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
        [np.array([], np.float32), np.array([1, 1, 2, 2], np.float32)],
    ),
    "triangle": ("Trilu", [None, 4, 4], {"upper": 0}, [np.array(-1)]),
    "hard sigmoid": ("HardSigmoid", [None, 4], {"alpha": 0.3}, []),
    "gelu": ("Gelu", [None, 4], {"approximate": "tanh"}, []),
    "selu": ("Selu", [None, 4], {}, []),
    "softmax over channels": ("Softmax", [None, 3, 4], {"axis": 1}, []),
    "power": ("Pow", [None, 4], {}, [np.array(2, np.int64)]),
    "lstm": (
        "LSTM",
        [5, None, 3],
        {"hidden_size": 4, "direction": "bidirectional"},
        [weights(2, 16, 3), weights(2, 16, 4), weights(2, 32)],
    ),
    "long lstm": (
        "LSTM",
        [70, None, 3],
        {"hidden_size": 2, "direction": "reverse"},
        [weights(1, 8, 3), weights(1, 8, 2)],
    ),
    "gru": (
        "GRU",
        [5, None, 3],
        {"hidden_size": 4},
        [weights(1, 12, 3), weights(1, 12, 4), weights(1, 24)],
    ),
    "gru after its reset": (
        "GRU",
        [5, None, 3],
        {"hidden_size": 4, "linear_before_reset": 1},
        [weights(1, 12, 3), weights(1, 12, 4), weights(1, 24)],
    ),
}
OUTPUTS = {"TopK": 2, "Split": 2, "LSTM": 3, "GRU": 2}
WHOLE = {"ArgMax"}


def written(
    kind: str, shape: list[int | None], attributes: Any, values: list[Any], to: Path
) -> Path:
    names = [f"w{at}" for at in range(len(values))]
    outputs = [f"y{at}" for at in range(OUTPUTS.get(kind, 1))]
    node = helper.make_node(kind, ["x", *names], outputs, name="it", **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [size or "n" for size in shape])],
        [
            helper.make_tensor_value_info(
                name,
                TensorProto.INT64
                if kind in WHOLE or (kind, at) == ("TopK", 1)
                else TensorProto.FLOAT,
                None,
            )
            for at, name in enumerate(outputs)
        ],
        [numpy_helper.from_array(value, name) for name, value in zip(names, values, strict=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    to.mkdir()
    onnx.save(onnx.shape_inference.infer_shapes(model), to / "model.onnx")
    return to


@pytest.mark.parametrize("name", CASES)
def test_it_answers_as_onnx_runtime_does(name: str, tmp_path: Path) -> None:
    kind, shape, attributes, values = CASES[name]
    source = written(kind, shape, attributes, values, tmp_path / "onnx")
    rows = [3 if size is None else size for size in shape]
    report = exporting.convert(
        source, tmp_path / "out", to="saved_model",
        example=RNG.normal(size=rows).astype(np.float32),
        tolerance=exporting.Tolerance(absolute=1e-5, relative=1e-4),
    )  # fmt: skip
    assert report.holds
    assert len(report.golden) == OUTPUTS.get(kind, 1)


def test_what_tensorflow_has_no_kernel_for_is_refused_as_ours(tmp_path: Path) -> None:
    both = {"strides": [2, 1], "dilations": [1, 2]}
    source = written("Conv", [None, 3, 11, 11], both, [weights(5, 3, 3, 3)], tmp_path / "onnx")
    with pytest.raises(NotConvertible, match=r"Conv \('it'\): strides together with dilations"):
        exporting.convert(source, tmp_path / "out", to="saved_model")


def test_all_that_is_not_known_is_named_at_once(tmp_path: Path) -> None:
    source = written("Det", [None, 3, 3], {}, [], tmp_path / "onnx")
    with pytest.raises(NotConvertible, match=r"nothing of TensorFlow is known here for Det"):
        exporting.convert(source, tmp_path / "out", to="saved_model")
    assert not (tmp_path / "out").exists()
