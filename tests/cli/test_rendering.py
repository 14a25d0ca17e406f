"""`plimsoll model render`: a verified version in another server's folder."""

from pathlib import Path

from tests.cli.conftest import Run
from tests.making.rendering import server_protos


def test_a_version_lies_verified_in_tritons_repository(plimsoll: Run, model: Path, tmp_path: Path):
    digest = plimsoll("push", "digits", model, "-o", "json").document["digest"]
    trust, out = tmp_path / "registry" / "trust.json", tmp_path / "repository"
    done = plimsoll("model", "render", "triton", "digits@1", out, "--trust", trust)
    assert done.code == 0, done.err
    for path in model.iterdir():
        assert (out / "digits" / "1" / path.name).read_bytes() == path.read_bytes()
    text = (out / "digits" / "config.pbtxt").read_text()
    assert digest in text
    assert [one.name for one in server_protos.triton(text).input] == ["x"]


def test_a_compose_file_names_the_registry_that_was_asked(
    plimsoll: Run, model: Path, tmp_path: Path
):
    plimsoll("push", "digits", model)
    done = plimsoll("model", "render", "compose", "digits@1", tmp_path / "out", "--host", "edge")
    assert done.code == 0, done.err
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "compose.yaml", "runtime.json",
    ]  # fmt: skip
    assert '"host": "edge"' in (tmp_path / "out" / "runtime.json").read_text()
    again = plimsoll("model", "render", "compose", "digits@1", tmp_path / "out")
    assert again.code == 1
    assert "not empty" in again.err


def test_tensorflow_serving_is_given_no_onnx(plimsoll: Run, model: Path, tmp_path: Path):
    plimsoll("push", "digits", model)
    done = plimsoll("model", "render", "tensorflow-serving", "digits@1", tmp_path / "out")
    assert done.code == 1
    assert "digits 1 is onnx, which TensorFlow Serving does not serve" in done.err
    assert not (tmp_path / "out").exists()
