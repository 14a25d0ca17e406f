"""What is rendered is read by the servers' own protobufs, the Compose schema and systemd."""

import configparser
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from reconciler.core.foreign import imported
from registry.core.tensors import DTYPES, Signature, Tensor
from registry.making.refusals import NotConvertible
from registry.making.rendering import own_runtime, rendered, tensorflow_serving, triton
from runtime import config
from tests.making.rendering import server_protos

SIGNATURE = Signature(
    (Tensor("x", "float32", (None, 4)), Tensor("words", "string", (None,))),
    (Tensor("y", "int64", (None, 3)), Tensor("total", "float64", ())),
)
ONNX = rendered.Version("fraud", 7, f"sha256:{'a' * 64}", "onnx", "deep/net.onnx", SIGNATURE)
SAVED_MODEL = replace(ONNX, format="saved_model", head="saved_model.pb")
PLACE = rendered.Place("plimsoll-runtime:1", 9000, "https://registry.example", "edge-1")


def test_triton_reads_its_configuration_with_every_tensor() -> None:
    found = triton.render(ONNX)
    assert found.files == "fraud/7"
    read = server_protos.triton(found.texts["fraud/config.pbtxt"])
    assert (read.name, read.backend, read.default_model_filename) == (
        "fraud", "onnxruntime", "deep/net.onnx",
    )  # fmt: skip
    assert list(read.version_policy.specific.versions) == [7]
    kind = read.input[0].DESCRIPTOR
    types = kind.fields_by_name["data_type"].enum_type.values_by_number
    listed = [(one.name, types[one.data_type].name, list(one.dims)) for one in read.input]
    assert listed == [("x", "TYPE_FP32", [-1, 4]), ("words", "TYPE_STRING", [-1])]
    assert read.output[1].dims == [1]
    assert read.output[1].HasField("reshape")
    assert not list(read.output[1].reshape.shape)


def test_triton_finds_a_saved_model_and_a_programs_numbered_outputs() -> None:
    found = triton.render(SAVED_MODEL)
    assert found.files == "fraud/7/model.savedmodel"
    assert server_protos.triton(found.texts["fraud/config.pbtxt"]).platform == (
        "tensorflow_savedmodel"
    )
    program = triton.render(replace(ONNX, format="torchscript", head="net.pt"))
    read = server_protos.triton(program.texts["fraud/config.pbtxt"])
    assert [one.name for one in read.output] == ["y__0", "total__1"]


def test_every_type_of_ours_is_one_of_tritons() -> None:
    for dtype in sorted(DTYPES):
        tensor = Tensor("x", dtype, (1,))
        text = triton.config(replace(ONNX, signature=Signature((tensor,), (tensor,))))
        assert server_protos.triton(text).input[0].data_type > 0


def test_tensorflow_serving_reads_its_list_and_no_other_format_is_given_to_it() -> None:
    found = tensorflow_serving.render(SAVED_MODEL)
    assert found.files == "fraud/7"
    (read,) = server_protos.tensorflow_serving(
        found.texts["models.config"]
    ).model_config_list.config
    assert (read.name, read.base_path, read.model_platform) == (
        "fraud", "/models/fraud", "tensorflow",
    )  # fmt: skip
    assert list(read.model_version_policy.specific.versions) == [7]
    with pytest.raises(NotConvertible, match=r"fraud 7 is onnx") as caught:
        tensorflow_serving.render(ONNX)
    assert "plimsoll convert" in caught.value.fix


def test_what_is_rendered_is_what_import_reads_back() -> None:
    (served,) = imported.tensorflow_serving(
        tensorflow_serving.render(SAVED_MODEL).texts["models.config"]
    )
    assert (served.name, served.version, served.format) == ("fraud", 7, "saved_model")
    assert [name for _, name, _ in served.left] == ["base_path"]


def test_compose_is_valid_and_pins_the_version_by_its_digest() -> None:
    found = own_runtime.compose(ONNX, PLACE)
    document = json.loads(found.texts["compose.yaml"])
    schema = json.loads((server_protos.GOLDEN / "compose_spec.json").read_text())
    by_the_specification = jsonschema.Draft201909Validator(schema)
    by_the_specification.validate(document)
    with pytest.raises(jsonschema.ValidationError, match="imagee"):
        by_the_specification.validate({"services": {"runtime": {"imagee": "x"}}})
    assert document["services"]["runtime"]["ports"] == ["9000:8501"]
    told = config.parse(found.texts["runtime.json"].encode(), what="runtime.json")
    (pin,) = told.models
    assert (pin.model, pin.version, pin.digest, pin.active) == ("fraud", 7, ONNX.digest, True)
    assert told.registry == "https://registry.example"


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    found = own_runtime.systemd(ONNX, PLACE)
    text = found.texts["plimsoll-fraud.service"]
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment]
    unit.read_string(text)
    assert unit["Service"]["ExecStart"].endswith("--config /etc/plimsoll/fraud/runtime.json")
    told = config.parse(found.texts["runtime.json"].encode(), what="runtime.json")
    assert (told.listen, str(told.cache)) == ("0.0.0.0:9000", "/var/lib/plimsoll-fraud")
    if shutil.which("systemd-analyze"):
        # Where the program is not installed, another that is: all else is checked as it stands.
        path = tmp_path / "plimsoll-fraud.service"
        path.write_text(text.replace("/opt/plimsoll/bin/python", "/bin/true"))
        done = subprocess.run(
            ["systemd-analyze", "verify", path], capture_output=True, text=True, check=False
        )
        assert "plimsoll-fraud" not in done.stderr, done.stderr
