"""SavedModel: real exports, flaws built field by field, and TensorFlow as the reference."""

import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from registry import errors
from registry.core.tensors import Signature, Tensor
from registry.formats import saved_model_ops
from tests.formats import descriptors, saved_models
from tests.formats.inspecting import files_of, inspect, inspect_built, verdict

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    script = HERE / "export_saved_models.py"
    done = subprocess.run(
        [sys.executable, script, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_a_keras_export_is_read_without_tensorflow(exported: Path):
    found = inspect(files_of(exported / "layers"))
    assert found.format == "saved_model"
    assert found.signature == Signature(
        (Tensor("image", "float32", (None, 28, 28, 1)),),
        (Tensor("output_0", "float32", (None, 10)),),
    )
    assert found.detail["signatureName"] == "serving_default"
    assert str(found.detail["producer"]).startswith("TensorFlow 2.")


def test_tables_loops_and_text_inputs_are_read(exported: Path):
    found = inspect(files_of(exported / "table"))
    assert found.signature.inputs == (
        Tensor("key", "string", (2,)),
        Tensor("x", "float32", (None, 4)),
    )
    assert [output.name for output in found.signature.outputs] == ["id", "y"]


def test_a_tensorflow_1_export_is_read(exported: Path):
    found = inspect(files_of(exported / "version_one"))
    assert found.signature.outputs == (Tensor("y", "float32", (None, 2)),)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("reader", "operation ReadFile"),
        ("writer", "operation PrintV2"),
        ("wrapper", "operation MatchingFiles"),
    ],
)
def test_a_real_export_that_touches_files_is_refused(exported: Path, name: str, expected: str):
    with pytest.raises(errors.UnsafeModel, match=f"{expected}.* is not allowed"):
        inspect(files_of(exported / name))


def test_a_real_export_with_a_vocabulary_is_read(exported: Path):
    found = inspect(files_of(exported / "vocabulary"))
    assert found.signature.inputs == (Tensor("key", "string", (None,)),)


def test_a_vocabulary_that_was_left_behind_is_missed(exported: Path):
    files = files_of(exported / "vocabulary")
    del files["assets/words.txt"]
    with pytest.raises(errors.UnsafeModel, match=r"asset 'words\.txt' is not a file"):
        inspect(files)


def test_a_file_in_assets_that_no_asset_names_is_refused(exported: Path, tmp_path: Path):
    files = files_of(exported / "vocabulary")
    (tmp_path / "other").write_bytes(b"x")
    with pytest.raises(errors.UnsafeModel, match=r"assets/other: .* does not refer to this file"):
        inspect({**files, "assets/other": tmp_path / "other"})


def test_the_built_vocabulary_is_accepted_but_for_its_flaws(tmp_path: Path):
    assert inspect_built(tmp_path, saved_models.vocabulary()).format == "saved_model"


def test_weights_that_were_left_behind_are_missed(exported: Path):
    files = files_of(exported / "layers")
    del files["variables/variables.index"]
    with pytest.raises(errors.UnsafeModel, match="the weights are not complete"):
        inspect(files)


def test_the_built_model_is_accepted_but_for_its_flaws(tmp_path: Path):
    found = inspect_built(tmp_path, saved_models.files(saved_models.honest()))
    assert found.signature.inputs == (Tensor("x", "float32", (None, 4)),)


@pytest.mark.parametrize("name", saved_models.FLAWS)
def test_a_flawed_model_is_refused_with_its_flaw_and_the_fix(tmp_path: Path, name: str):
    build, expected = saved_models.FLAWS[name]
    with pytest.raises(errors.UnsafeModel, match=expected) as caught:
        inspect_built(tmp_path, build(), "saved_model")
    assert caught.value.detail.startswith(("saved_model.", "variables/: "))
    assert caught.value.fix


@pytest.mark.parametrize("change", [0x55, 0x01])
def test_no_flipped_byte_ends_in_anything_but_a_verdict(tmp_path: Path, change: int):
    files = saved_models.vocabulary()
    for position in range(0, len(files["saved_model.pb"]), 13):
        flipped = bytearray(files["saved_model.pb"])
        flipped[position] ^= change
        said = verdict(tmp_path, {**files, "saved_model.pb": bytes(flipped)})
        assert "failed with status" not in said, position


def test_the_descriptors_are_those_of_the_installed_tensorflow():
    carried = resources.files("registry.formats").joinpath("saved_model.descriptors").read_bytes()
    installed = descriptors.of_installed_tensorflow()
    assert installed == carried, descriptors.__doc__


def test_every_allowed_operation_exists_in_tensorflow_and_none_touches_files(exported: Path):
    script = """
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session as session
listed = op_def_pb2.OpList.FromString(session.TF_GetBuffer(session.TF_GetAllOpList()))
print(*[op.name for op in listed.op])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    known = set(done.stdout.split())
    assert known >= saved_model_ops.SAVING
    telling = ("File", "Print", "PyFunc", "Send", "Recv", "Rpc", "Dataset", "Iterator", "Xla")
    assert not [op for op in saved_model_ops.SERVING if any(word in op for word in telling)]
    assert not saved_model_ops.SERVING & {"ImmutableConst", "LoadAndRemapMatrix", "Abort"}
