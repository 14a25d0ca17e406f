"""ONNX: marked in place wherever floats can lie, read back by onnx and run by ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from registry import errors
from tests.formats import onnx_models, onnx_weights
from tests.formats.inspecting import inspect_built
from tests.formats.marks import Alternating, find, marked, weights_verdict


def weight(head: bytes, name: str = "w") -> np.ndarray:
    model = onnx.load_from_string(head)
    (tensor,) = (one for one in model.graph.initializer if one.name == name)
    return numpy_helper.to_array(tensor).astype(np.float64)


def answered(head: bytes) -> np.ndarray:
    session = onnxruntime.InferenceSession(head, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.ones((2, 4), np.float32)})
    return found


@pytest.mark.parametrize("dtype", ["FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16"])
def test_raw_data_of_every_float_is_marked(tmp_path: Path, dtype: str):
    files = onnx_weights.with_weight(onnx_weights.raw(getattr(TensorProto, dtype)))
    made = marked(tmp_path, files)
    before, after = weight(files["model.onnx"]), weight(made["model.onnx"])
    assert np.allclose(abs(after / before - 1), Alternating.alpha, atol=4e-3)


@pytest.mark.parametrize("dtype", ["FLOAT", "DOUBLE"])
def test_packed_lists_of_numbers_are_marked(tmp_path: Path, dtype: str):
    files = onnx_weights.listed(getattr(TensorProto, dtype))
    made = marked(tmp_path, files)
    assert np.allclose(
        abs(weight(made["model.onnx"]) / weight(files["model.onnx"]) - 1), Alternating.alpha
    )


def test_a_list_in_two_parts_is_one_tensor_in_two_runs(tmp_path: Path):
    files = onnx_weights.in_parts()
    runs = find(tmp_path, files).runs["model.onnx"]
    assert [(run.start, run.count) for run in runs] == [(0, 5), (5, 7)]
    made = weight(marked(tmp_path, files)["model.onnx"])
    whole = weight(marked(tmp_path, onnx_weights.listed())["model.onnx"])
    assert np.array_equal(made, whole)


@pytest.mark.parametrize("dtype", ["INT8", "INT64", "UINT8"])
def test_whole_numbers_carry_no_mark(tmp_path: Path, dtype: str):
    number = getattr(TensorProto, dtype)
    tensor = onnx.helper.make_tensor("w", number, (4, 3), range(12))
    assert find(tmp_path, onnx_weights.with_weight(tensor)).weights == 0


def test_a_marked_model_runs_and_answers_nearly_the_same(tmp_path: Path):
    files = onnx_weights.listed()
    made = marked(tmp_path, files)
    before, after = answered(files["model.onnx"]), answered(made["model.onnx"])
    assert not np.array_equal(before, after)
    assert np.abs(after - before).max() <= 4 * Alternating.alpha
    assert inspect_built(tmp_path, made).format == "onnx"


def test_external_data_is_marked_and_the_head_is_not_touched(tmp_path: Path):
    data = np.arange(1, 13, dtype=np.float32)
    files = {**onnx_models.with_external_data(), "weights.bin": data.tobytes()}
    made = marked(tmp_path, files)
    assert made["model.onnx"] == files["model.onnx"]
    found = np.frombuffer(made["weights.bin"], np.float32)
    assert np.allclose(abs(found / data - 1), Alternating.alpha)


def test_weights_under_two_names_are_marked_once(tmp_path: Path):
    files = onnx_weights.tied()
    found = find(tmp_path, files)
    assert list(found.tensors) == ["v"]
    assert found.weights == 12
    made = np.frombuffer(marked(tmp_path, files)["weights.bin"], np.float32)[:12]
    assert np.allclose(abs(made / onnx_weights.VALUES.flatten() - 1), Alternating.alpha)


def test_a_view_into_a_larger_weight_follows_it(tmp_path: Path):
    found = find(tmp_path, onnx_weights.two_external(4, (5, 2)))
    assert list(found.tensors) == ["w"]


def test_weights_in_branches_are_found_under_names_of_their_own(tmp_path: Path):
    assert set(find(tmp_path, onnx_weights.with_a_branch()).tensors) == {"w", "#1/w", "#2/w"}


@pytest.mark.parametrize("name", onnx_weights.FLAWS)
def test_a_flawed_model_is_refused_with_its_flaw_and_the_fix(tmp_path: Path, name: str):
    build, expected = onnx_weights.FLAWS[name]
    with pytest.raises(errors.UnsafeModel, match=expected) as caught:
        find(tmp_path, build(), "onnx")
    assert caught.value.detail.startswith(("model.onnx: ", "weights.bin: "))
    assert caught.value.fix


def test_every_prefix_and_every_flipped_byte_ends_in_a_verdict(tmp_path: Path):
    whole = onnx_weights.listed()["model.onnx"]
    changed = [whole[:length] for length in range(1, len(whole), 11)]
    for position in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[position] ^= 0x55
        changed.append(bytes(flipped))
    said = [weights_verdict(tmp_path, {"model.onnx": content}, "onnx") for content in changed]
    assert not [one for one in said if "failed with status" in one]
