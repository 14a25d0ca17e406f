"""ONNX: what is read from honest models, and what is said about each flaw."""

from pathlib import Path

import pytest

from registry import errors
from registry.core.tensors import Signature, Tensor
from registry.formats import inspection
from tests.formats import onnx_models
from tests.formats.inspecting import inspect, inspect_built, laid_out


def test_inputs_and_outputs_are_read_and_weights_are_not_inputs(tmp_path: Path):
    found = inspect_built(tmp_path, onnx_models.files())
    assert found.format == "onnx"
    assert found.signature == Signature(
        (Tensor("x", "float32", (None, 4)),), (Tensor("y", "float32", (None, 3)),)
    )
    assert found.detail["opsets"] == {"ai.onnx": 17}
    assert found.detail["operations"] == 1


def test_weights_may_lie_in_another_file_of_the_model(tmp_path: Path):
    places = laid_out(tmp_path, onnx_models.with_external_data())
    assert inspect(places, "onnx").signature.inputs[0].name == "x"


def test_honest_nesting_is_accepted(tmp_path: Path):
    places = laid_out(tmp_path, onnx_models.files(onnx_models.nested(4)))
    assert inspect(places, "onnx").detail["operations"] == 32


@pytest.mark.parametrize("name", onnx_models.FLAWS)
def test_a_flawed_model_is_refused_with_its_flaw_and_the_fix(tmp_path: Path, name: str):
    build, expected = onnx_models.FLAWS[name]
    with pytest.raises(errors.UnsafeModel, match=expected) as caught:
        inspect_built(tmp_path, build(), "onnx")
    assert caught.value.detail.startswith("model.onnx: ")
    assert caught.value.fix


def test_every_prefix_of_a_model_is_refused(tmp_path: Path):
    whole = onnx_models.files()["model.onnx"]
    for length in range(0, len(whole), 29):
        places = laid_out(tmp_path, {"model.onnx": whole[:length]})
        with pytest.raises(errors.UnsafeModel):
            inspect(places, "onnx")


def test_a_small_file_that_unpacks_into_gigabytes_is_refused(tmp_path: Path):
    """Two bytes make one empty operation, which takes a hundred when parsed."""
    inner = b"\x0a\x00" * 20_000_000
    length = len(inner)
    varint = b""
    while length >= 0x80:
        varint, length = varint + bytes([length & 0x7F | 0x80]), length >> 7
    head = b"\x08\x0a" + b"\x3a" + varint + bytes([length]) + inner + b"\x42\x02\x10\x11"
    places = laid_out(tmp_path, {"model.onnx": head})
    with pytest.raises(errors.UnsafeModel, match=r"model\.onnx: .*(memory|damaged|operations)"):
        inspect(places, "onnx", inspection.Limits(memory_bytes=700 << 20))
