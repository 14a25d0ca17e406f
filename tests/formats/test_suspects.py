"""The weights of suspects: floats wherever they stand, and integers with their scales."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

from registry import errors
from registry.formats import quantised, suspect
from registry.formats.model import Model, Opened
from registry.formats.onnx_suspect import find
from registry.formats.quantised import Given, Quantised, Stored

RANDOM = np.random.default_rng(7)
W = RANDOM.standard_normal((24, 16)).astype(np.float32)
LATER = RANDOM.standard_normal((16, 8)).astype(np.float32)


def model(
    nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto], opset: int = 21
) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 24])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def two_layers() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "second"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(W, "first"), numpy_helper.from_array(LATER, "second")]
    return model(nodes, tensors, opset=17)


def weights_of(folder: Path, content: bytes) -> dict[str, NDArray[np.generic]]:
    """As a detection reads them, but for the sandbox around the parser."""
    file = folder / "suspect.onnx"
    file.write_bytes(content)
    sizes = {file.name: len(content)}

    def read(path: str, start: int, stop: int) -> bytes:
        return (folder / path).read_bytes()[start:stop]

    with file.open("rb") as stream:
        opened = Opened(file.name, len(content), stream.fileno())
        said = find(Model(opened, {file.name: opened}, sizes))
    found = suspect.weights("onnx", said, sizes, read)
    for one in found.found.values():
        assert one.load().shape == one.tensor.shape
    return {name: one.load() for name, one in found.found.items()}


def agreement(found: NDArray[np.generic], original: NDArray[np.float32]) -> float:
    a, b = found.astype(np.float64).ravel(), original.astype(np.float64).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_constants_inside_of_operations_count_like_weights(tmp_path: Path) -> None:
    held = numpy_helper.from_array(W, "unused name")
    nodes = [
        helper.make_node("Constant", [], ["w"], value=held),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    found = weights_of(tmp_path, model(nodes, []).SerializeToString())
    assert np.array_equal(found["w"], W)


@pytest.mark.parametrize("per_channel", [False, True])
def test_dynamically_quantised_weights_are_put_together(tmp_path: Path, per_channel: bool) -> None:
    onnx.save(two_layers(), tmp_path / "plain.onnx")
    quantization.quantize_dynamic(
        tmp_path / "plain.onnx", tmp_path / "int8.onnx", per_channel=per_channel
    )
    found = weights_of(tmp_path, (tmp_path / "int8.onnx").read_bytes())
    assert agreement(found["first_quantized"], W) > 0.999
    assert agreement(found["second_quantized"], LATER) > 0.999


def quantised_by_column(zero: TensorProto | None) -> onnx.ModelProto:
    scale = np.abs(W).max(axis=0) / 127
    codes = np.round(W / scale).astype(np.int8)
    if zero is not None:
        codes += numpy_helper.to_array(zero).astype(np.int8)
    tensors = [
        numpy_helper.from_array(codes, "codes"),
        helper.make_tensor("scale", TensorProto.FLOAT, scale.shape, scale.tolist()),
    ]
    inputs = ["codes", "scale"]
    if zero is not None:
        tensors.append(zero)
        inputs.append(zero.name)
    nodes = [
        helper.make_node("DequantizeLinear", inputs, ["w"], axis=1),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    return model(nodes, tensors)


def test_a_scale_for_each_column_is_put_on_its_axis(tmp_path: Path) -> None:
    found = weights_of(tmp_path, quantised_by_column(None).SerializeToString())
    assert np.abs(found["codes"] - W).max() < np.abs(W).max() / 250


def test_zero_points_that_are_written_as_numbers_are_read(tmp_path: Path) -> None:
    zero = helper.make_tensor("zero", TensorProto.INT8, [16], [0] * 16)
    found = weights_of(tmp_path, quantised_by_column(zero).SerializeToString())
    assert np.abs(found["codes"] - W).max() < np.abs(W).max() / 250


def test_blocks_of_four_bits_are_unpacked(tmp_path: Path) -> None:
    blocks = W.reshape(24, 2, 8)
    scale = np.abs(blocks).max(axis=2) / 7
    codes = np.round(blocks / scale[..., None]).astype(np.int8).reshape(24, 16)
    halves = codes.ravel().astype(np.uint8) & 15
    packed = TensorProto(name="codes", data_type=TensorProto.INT4, dims=[24, 16])
    packed.raw_data = (halves[0::2] | halves[1::2] << 4).tobytes()
    nodes = [
        helper.make_node("DequantizeLinear", ["codes", "scale"], ["w"], axis=1, block_size=8),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    tensors = [packed, numpy_helper.from_array(scale.astype(np.float32), "scale")]
    found = weights_of(tmp_path, model(nodes, tensors).SerializeToString())
    assert np.abs(found["codes"] - W).max() < np.abs(W).max() / 13


def test_onnxruntimes_own_four_bit_products_are_unpacked(tmp_path: Path) -> None:
    """MatMulNBits keeps its matrix transposed, in rows of blocks, with packed zero points."""
    rows, wide, block = 16, 24, 16
    padded = np.pad(W.T, ((0, 0), (0, 8))).reshape(rows, 2, block)
    low, high = np.minimum(padded.min(axis=2), 0), np.maximum(padded.max(axis=2), 0)
    scale = (high - low) / 15
    zero = np.round(-low / scale).astype(np.uint8)
    codes = np.clip(np.round(padded / scale[..., None]) + zero[..., None], 0, 15).astype(np.uint8)
    packed = codes[..., 0::2] | codes[..., 1::2] << 4
    tensors = [
        numpy_helper.from_array(packed, "codes"),
        numpy_helper.from_array(scale.astype(np.float32).ravel(), "scale"),
        numpy_helper.from_array((zero[:, 0] | zero[:, 1] << 4).astype(np.uint8), "zero"),
    ]
    node = helper.make_node(
        "MatMulNBits", ["x", "codes", "scale", "zero"], ["y"], domain="com.microsoft",
        K=wide, N=rows, bits=4, block_size=block,
    )  # fmt: skip
    found = weights_of(tmp_path, model([node], tensors).SerializeToString())
    assert found["codes"].shape == (rows, wide)
    assert np.abs(found["codes"] - W.T).max() < np.abs(W).max() / 7


def test_a_model_without_weights_to_mark_is_said_to_be_one(tmp_path: Path) -> None:
    bias = numpy_helper.from_array(np.ones(24, np.float32), "b")
    nodes = [helper.make_node("Add", ["x", "b"], ["y"])]
    with pytest.raises(errors.InvalidInput, match="no weights that could carry a mark"):
        weights_of(tmp_path, model(nodes, [bias]).SerializeToString())


@pytest.mark.parametrize("cut", [30, 400, 1500])
def test_a_truncated_suspect_is_refused_and_never_half_read(tmp_path: Path, cut: int) -> None:
    content = two_layers().SerializeToString()
    with pytest.raises(errors.UnsafeModel, match="damaged"):
        weights_of(tmp_path, content[:cut])


SIZES: Mapping[str, int] = {"m.onnx": 1000}
CODES = Stored("m.onnx", 0, "int8", (10, 10))
HOSTILE = {
    "codes beyond the file": Quantised(
        "w", Stored("m.onnx", 990, "int8", (10, 10)), None, None, 0, 0, 0, 0
    ),
    "codes in another file": Quantised(
        "w", Stored("x.onnx", 0, "int8", (10, 10)), None, None, 0, 0, 0, 0
    ),
    "codes that are floats": Quantised(
        "w", Stored("m.onnx", 0, "float32", (10, 10)), None, None, 0, 0, 0, 0
    ),
    "an axis that is not there": Quantised("w", CODES, None, None, 2, 0, 0, 0),
    "too many scales": Quantised("w", CODES, Given((1.0,) * 11), None, 0, 0, 0, 0),
    "a width beyond the row": Quantised("w", CODES, None, None, 0, 0, 0, 11),
    "one dimension": Quantised("w", Stored("m.onnx", 0, "int8", (10,)), None, None, 0, 0, 0, 0),
    "a shape of terabytes": Quantised(
        "w", Stored("m.onnx", 0, "int8", (1 << 39, 1 << 39)), None, None, 0, 0, 0, 0
    ),
    "a name without an end": Quantised("w" * 2000, CODES, None, None, 0, 0, 0, 0),
}


@pytest.mark.parametrize("flaw", HOSTILE)
def test_what_a_captured_parser_says_is_not_believed(flaw: str) -> None:
    with pytest.raises(errors.InvalidInput):
        quantised.quantised([HOSTILE[flaw].document()], SIZES)


def test_what_an_honest_parser_says_comes_back_as_it_was() -> None:
    one = Quantised(
        "w", CODES, Given((0.5,) * 10), Stored("m.onnx", 200, "int8", (10,)), 1, 0, 0, 7
    )
    assert quantised.quantised([one.document()], SIZES) == (one,)
