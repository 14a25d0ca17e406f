"""Which format, which file, and what is refused before any parser runs."""

import os
from pathlib import Path

import pytest

from registry import errors
from registry.formats import detect, inspection
from tests.formats import onnx_models
from tests.formats.inspecting import inspect, laid_out


@pytest.mark.parametrize(
    ("paths", "declared", "expected"),
    [
        (["model.onnx"], None, ("onnx", "model.onnx")),
        (["digits.onnx", "weights.bin"], None, ("onnx", "digits.onnx")),
        (["saved_model.pb", "variables/variables.index"], None, ("saved_model", "saved_model.pb")),
        (["saved_model.pb", "assets/other.onnx"], "saved_model", ("saved_model", "saved_model.pb")),
        (["model.safetensors", "config.json"], None, ("safetensors", "model.safetensors")),
        (
            ["a-1-of-2.safetensors", "a-2-of-2.safetensors", "a.safetensors.index.json"],
            None,
            ("safetensors", "a.safetensors.index.json"),
        ),
        (["model.pt", "README.md"], None, ("torchscript", "model.pt")),
        (["model.ts"], None, ("torchscript", "model.ts")),
    ],
)
def test_the_format_is_found_by_the_names_of_the_files(paths, declared, expected):
    assert detect.head(paths, declared) == expected


@pytest.mark.parametrize(
    ("paths", "declared", "expected"),
    [
        (["model.bin"], None, r"no \.onnx, .* and no saved_model\.pb"),
        (["model.h5"], None, r"model\.h5: this is an HDF5 file"),
        (["model.pkl"], None, r"model\.pkl: .* a Python pickle"),
        (["a.onnx", "b.onnx"], None, "which one is meant is not said"),
        (["a.safetensors", "b.safetensors"], None, "which one is meant is not said"),
        (["a.pt", "b.pt"], None, "which one is meant is not said"),
        (["model.onnx", "model.safetensors"], None, "it could be either"),
        (["model.onnx"], "safetensors", "this is ONNX, declared is safetensors"),
        (["saved_model.pb", "a.onnx"], None, "it could be either"),
        (["saved_model.pb"], "onnx", "this is TensorFlow SavedModel, declared is ONNX"),
        (["a.onnx"], "saved_model", "saved_model.pb: .* is missing"),
        (["export/saved_model.pb"], "saved_model", "saved_model.pb: .* is missing"),
        (["a.onnx"], "pickle", "format 'pickle' is not known"),
    ],
)
def test_an_unclear_or_wrong_format_is_refused_with_the_fix(paths, declared, expected):
    with pytest.raises(errors.PlimsollError, match=expected) as caught:
        detect.head(paths, declared)
    assert caught.value.fix


def test_a_saved_model_in_an_onnx_file_is_called_by_its_name(tmp_path: Path):
    places = laid_out(tmp_path, {"model.onnx": b"\x08\x01\x12\x02\x0a\x00"})
    with pytest.raises(errors.UnsafeModel, match="is TensorFlow SavedModel, declared is ONNX"):
        inspect(places)


def test_an_onnx_model_in_a_saved_model_is_called_by_its_name(tmp_path: Path):
    places = laid_out(tmp_path, {"saved_model.pb": onnx_models.files()["model.onnx"]})
    with pytest.raises(errors.UnsafeModel, match="is ONNX, declared is TensorFlow SavedModel"):
        inspect(places, "saved_model")


def test_a_model_over_the_size_limit_is_refused_unread(tmp_path: Path):
    places = laid_out(tmp_path, onnx_models.with_external_data())
    total = sum(place.stat().st_size for place in places.values())
    with pytest.raises(errors.TooLarge, match=f"has {total} bytes, at most {total - 1}"):
        inspect(places, "onnx", inspection.Limits(model_bytes=total - 1))


def test_a_symbolic_link_is_refused(tmp_path: Path):
    places = laid_out(tmp_path, onnx_models.with_external_data())
    link = tmp_path / "link"
    link.symlink_to("/etc/passwd")
    with pytest.raises(errors.UnsafeModel, match=r"model\.onnx: not a plain file"):
        inspect({**places, "model.onnx": link}, "onnx")


def test_a_hard_link_is_refused(tmp_path: Path):
    places = laid_out(tmp_path, onnx_models.with_external_data())
    os.link(places["model.onnx"], tmp_path / "second-name")
    with pytest.raises(errors.UnsafeModel, match=r"model\.onnx: a hard link"):
        inspect(places, "onnx")


def test_a_pipe_is_refused_and_waits_for_nobody(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(errors.UnsafeModel, match="not a plain file"):
        inspect({"model.onnx": tmp_path / "pipe"}, "onnx")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(errors.UnsafeModel, match=r"model\.onnx: cannot be read"):
        inspect({"model.onnx": tmp_path / "none"}, "onnx")
