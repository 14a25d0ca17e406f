"""What may lie beside a model, what may not, and what is said about it."""

from pathlib import Path

import pytest

from registry import errors
from registry.formats import detect, side_files
from tests.formats import onnx_models, safetensors_models, saved_models, torchscript_models
from tests.formats.inspecting import inspect_built, verdict

BUILDS = {
    "onnx": onnx_models.files,
    "saved_model": lambda: saved_models.files(saved_models.honest()),
    "safetensors": safetensors_models.files,
    "torchscript": torchscript_models.files,
}
MLFLOW = (
    "MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "input_example.json",
    "serving_input_example.json", "registered_model_meta", "metadata/MLmodel",
    "metadata/conda.yaml", "metadata/requirements.txt", "README.md", "model.sig",
)  # fmt: skip


@pytest.mark.parametrize("form", BUILDS)
def test_what_mlflow_writes_beside_a_model_is_accepted(tmp_path: Path, form: str):
    files = BUILDS[form]() | dict.fromkeys(MLFLOW, b"text")
    assert inspect_built(tmp_path, files).format == form


@pytest.mark.parametrize("form", BUILDS)
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train.py", "a program is not part of a model"),
        ("code/wheel.whl", "a program is not part of a model"),
        ("lib/custom_ops.SO", "a program is not part of a model"),
        ("page.html", "a program is not part of a model"),
        ("__pycache__/x.cpython-311.txt", "a program is not part of a model"),
        ("python_model.pkl", "a Python pickle"),
        ("weights.npz", "a Python pickle"),
        ("optimizer.joblib", "a Python pickle"),
        ("pytorch_model.bin", "a Python pickle"),
        ("pytorch_model-00001-of-00002.bin", "a Python pickle"),
        ("more.tar.gz", "an archive can hold anything"),
        ("model.keras", "a Keras archive"),
        ("unknown.dat", "does not refer to this file"),
        ("no_ending", "does not refer to this file"),
    ],
)
def test_what_nobody_should_load_is_refused_by_name(
    tmp_path: Path, form: str, path: str, expected: str
):
    with pytest.raises(errors.UnsafeModel, match=expected) as caught:
        inspect_built(tmp_path, BUILDS[form]() | {path: b"x"}, form)
    assert caught.value.detail.startswith(f"{path}: ")
    assert caught.value.fix


def test_weights_beside_an_onnx_model_are_those_it_refers_to(tmp_path: Path):
    files = onnx_models.with_external_data()
    assert verdict(tmp_path, files) == "onnx"
    said = verdict(tmp_path, files | {"other.bin": bytes(48)})
    assert said.startswith("other.bin: the onnx model does not refer to this file")


def test_weights_that_are_called_a_text_are_still_checked(tmp_path: Path):
    files = onnx_models.files(
        onnx_models.model(onnx_models.graph(weights=[onnx_models.external("weights.txt")])),
        **{"weights.txt": bytes(40)},
    )
    assert "which has only 40" in verdict(tmp_path, files)


def test_a_second_model_is_refused_even_where_the_format_is_named(tmp_path: Path):
    files = saved_models.files(saved_models.honest()) | onnx_models.files()
    assert "does not refer to this file" in verdict(tmp_path, files, "saved_model")
    files = onnx_models.files() | {"old/saved_model.pb": b"x"}
    assert "does not refer to this file" in verdict(tmp_path, files, "onnx")


def test_what_tensorflow_writes_beside_a_saved_model_is_accepted(tmp_path: Path):
    beside = ["fingerprint.pb", "keras_metadata.pb", "assets.extra/tf_serving_warmup_requests"]
    files = saved_models.files(saved_models.honest()) | dict.fromkeys(beside, b"x")
    assert verdict(tmp_path, files) == "saved_model"
    assert "does not refer" in verdict(tmp_path, files | {"extra/fingerprint.pb": b"x"})


def test_code_is_refused_by_its_name_before_anything_is_uploaded():
    with pytest.raises(errors.UnsafeModel, match=r"train\.py: a program"):
        detect.head(["model.onnx", "train.py"], None)


def test_no_kind_of_file_is_both_allowed_and_refused():
    never = side_files._PICKLES | side_files._PROGRAMS | side_files._ARCHIVES
    assert not side_files._ENDINGS & (never | side_files._FORMATS.keys())
