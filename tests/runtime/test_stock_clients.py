"""tritonclient, KServe's client and TensorFlow Serving's stubs, as published, on every format."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from tests.runtime import models
from tests.runtime.clients.environment import python, seen
from tests.runtime.process import ROOT, Runtime, pin, running
from tests.runtime.stand_in import StandIn

# One message of ours stands for several of Triton's that are alike.
SEVERAL = {
    f"inference.RepositoryModelRequest{part}": [f"inference.RepositoryModel{one}Request{part}"
                                                for one in ("Load", "Unload")]
    for part in ("", ".ParametersEntry")
} | {
    "inference.ModelRequest": [f"inference.Model{one}Request"
                               for one in ("Ready", "Metadata", "Config", "Statistics")],
    "inference.ServerRequest": [f"inference.Server{one}Request"
                                for one in ("Live", "Ready", "Metadata")],
    "inference.RepositoryModelResponse": [f"inference.RepositoryModel{one}Response"
                                          for one in ("Load", "Unload")],
}  # fmt: skip
(TENSORFLOW,) = importlib.util.find_spec("tensorflow").submodule_search_locations  # type: ignore[union-attr,misc]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    registry = StandIn()
    pictures, words, halves, _, half = models.saved_models()
    with registry.answering():
        form = {"format": "saved_model"}
        published = [
            registry.publish(models.onnx_digits()),
            registry.publish(models.onnx_two_inputs(), model="two"),
            registry.publish(pictures, model="pictures", **form),
            registry.publish(words, model="words", **form),
            registry.publish(halves, model="halves", **form),
            registry.publish(half, model="half", **form),
            registry.publish(models.torch_script(), model="torch", format="torchscript"),
        ]
        runtime = Runtime(tmp_path_factory.mktemp("stock"), registry)
        runtime.models = [pin(one) for one in published]
        runtime.more = {"grpcListen": runtime.grpc}
        with running(runtime):
            runtime.until(lambda: runtime.get("/v2/health/ready").status_code == 200, seconds=90)
            yield runtime


@pytest.fixture(scope="module")
def url(served: Runtime) -> str:
    return f"127.0.0.1:{served.port}"


@pytest.fixture(scope="module")
def triton(url: str) -> Any:
    return seen("with_tritonclient.py", url)


@pytest.fixture(scope="module")
def triton_grpc(served: Runtime) -> Any:
    return seen("with_tritonclient_grpc.py", served.grpc)


@pytest.fixture(scope="module")
def tensorflow(served: Runtime) -> Any:
    return seen("with_tensorflow_serving.py", served.grpc, TENSORFLOW)


@pytest.fixture(scope="module")
def kserve(url: str, served: Runtime) -> Any:
    return seen("with_kserve.py", f"http://{url}", served.grpc)


def test_tritonclient_is_told_of_server_and_models(triton: Any) -> None:
    told = triton["told"]
    assert [told[name] for name in ("live", "ready", "digits ready", "digits 1 ready")] == [
        True
    ] * 4
    assert told["nobody ready"] is False
    assert "binary_tensor_data" in told["server"]["extensions"]
    assert told["digits"]["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 64]}]
    assert told["config"]["backend"] == "onnxruntime"
    assert {"name": "digits", "version": "1", "state": "READY", "reason": ""} in told["index"]
    (counted,) = told["statistics"]["model_stats"]
    assert (counted["name"], counted["version"]) == ("digits", "1")
    assert len(told["all statistics"]["model_stats"]) == 7
    assert told["unknown"] == ["404", "Request for unknown model: 'nobody' is not found"]
    assert told["load"][0] == "403"


def test_tritonclient_gets_one_answer_in_every_way_it_can_ask(triton: Any) -> None:
    for form in ("onnx", "saved_model", "torchscript"):
        assert len(triton[form]) == 6
        assert len(set(triton[form].values())) == 1


def test_tritonclient_sends_and_gets_any_bytes(triton: Any) -> None:
    sent = [b"plain", "Grüße".encode(), b"\xff\x00", b""]
    assert triton["words"] == [
        [item.hex() for item in sent],
        [(item + b"\xff\x00").hex() for item in sent],
    ]


def test_tritonclient_sends_and_gets_bfloat16(triton: Any) -> None:
    assert triton["halves"] == [0.5, -3.0]


def test_tritonclient_raises_what_is_wrong(triton: Any) -> None:
    assert triton["faults"] == {
        "model": ["404", "Request for unknown model: 'nobody' is not found"],
        "version": ["404", "Request for unknown model: 'digits' version 9 is not found"],
        "type": [
            "400",
            "inference input 'X' data-type is 'FP64', but model 'digits' expects 'FP32'",
        ],
        "shape": [
            "400",
            "unexpected shape for input 'X' for model 'digits'. Expected [-1,64], got [1,3]",
        ],
        "input": ["400", "unexpected inference input 'Y' for model 'digits'"],
        "output": ["400", "unexpected inference output 'nothing' for model 'digits'"],
    }


def test_tritonclient_asks_several_at_once(triton: Any) -> None:
    label = triton["onnx"]["binary"]
    assert triton["async_infer"] == [label] * 8
    assert triton["asyncio"]["labels"] == [label]
    assert triton["asyncio"]["ready"] is True
    assert triton["asyncio"]["digits"]["name"] == "digits"
    assert triton["asyncio"]["unknown"] == "Request for unknown model: 'nobody' is not found"


def test_tritonclient_is_told_the_same_over_grpc(triton: Any, triton_grpc: Any) -> None:
    told, over_http = triton_grpc["told"], triton["told"]
    for name in ("live", "ready", "digits ready", "digits 1 ready", "nobody ready"):
        assert told[name] == over_http[name], name
    assert told["digits"]["inputs"] == [{"name": "X", "datatype": "FP32", "shape": ["-1", "64"]}]
    assert told["config"]["config"]["backend"] == over_http["config"]["backend"]
    ready = sorted(one["name"] for one in told["index"]["models"] if one["state"] == "READY")
    assert ready == sorted(one["name"] for one in over_http["index"])
    (counted,) = told["statistics"]["model_stats"]
    (already,) = over_http["statistics"]["model_stats"]
    assert int(counted["inference_count"]) > already["inference_count"]
    assert int(counted["inference_stats"]["success"]["ns"]) > 0
    assert len(told["all statistics"]["model_stats"]) == 7
    assert told["unknown"] == ["StatusCode.NOT_FOUND", over_http["unknown"][1]]
    assert told["load"][0] == "StatusCode.PERMISSION_DENIED"
    assert told["memory"][0] == "StatusCode.UNIMPLEMENTED"


def test_tritonclient_gets_the_same_answers_over_grpc(triton: Any, triton_grpc: Any) -> None:
    for form in ("onnx", "saved_model", "torchscript"):
        assert set(triton_grpc[form].values()) == {triton[form]["binary"]}
        assert len(triton_grpc[form]) == 4
    for name in ("words", "halves"):
        assert triton_grpc[name] == triton[name]
    assert triton_grpc["async_infer"] == triton["async_infer"]
    assert triton_grpc["asyncio"] == triton["asyncio"]["labels"]
    assert triton_grpc["stream"] == ["0", "1", "Request for unknown model: 'nobody' is not found"]


def test_tritonclient_raises_what_is_wrong_over_grpc(triton: Any, triton_grpc: Any) -> None:
    codes = {"404": "StatusCode.NOT_FOUND", "400": "StatusCode.INVALID_ARGUMENT"}
    for name, (status, said) in triton["faults"].items():
        assert triton_grpc["faults"][name] == [codes[status], said], name


def test_messages_have_the_names_and_numbers_of_their_clients() -> None:
    theirs = seen("descriptors.py", TENSORFLOW)
    data = (ROOT / "runtime/protocols/grpc/messages.pb").read_bytes()
    ours: dict[str, list[tuple[object, ...]]] = {}
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        if not file.package.startswith("grpc."):
            ours |= described(file.message_type, f"{file.package}.")
    assert len(ours) > 60
    strange = {
        called: alike(fields) - alike(theirs[called])
        for name, fields in ours.items()
        for called in SEVERAL.get(name, [name])
        if not alike(fields) <= alike(theirs[called])
    }
    assert strange == {}


def alike(fields: Iterable[Sequence[object]]) -> set[tuple[object, ...]]:
    """What is bytes here may be a message there that nothing here reads: on the wire it is one."""
    message, data = 11, 12
    return {(name, number, data if kind == message else kind, is_repeated)
            for name, number, kind, is_repeated in fields}  # fmt: skip


def described(kinds: Any, prefix: str = "") -> dict[str, list[tuple[object, ...]]]:
    """As descriptors.py has it of theirs."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for kind in kinds:
        name = prefix + kind.name
        found[name] = [(one.name, one.number, one.type, one.label == one.LABEL_REPEATED)
                       for one in kind.field]  # fmt: skip
        found |= described(kind.nested_type, f"{name}.")
    return found


def test_tensorflow_servings_stubs_get_the_same_answers(tensorflow: Any, triton: Any) -> None:
    found = tensorflow
    assert found["labels"] == {
        "digits": triton["onnx"]["binary"],
        "pictures": triton["saved_model"]["binary"],
        "torch": triton["torchscript"]["binary"],
    }
    sent = [b"plain", b"\xff\x00"]
    more = [(item + b"\xff\x00").hex() for item in sent]
    assert found["words"] == [[item.hex() for item in sent], more]
    assert found["signatures"]["serving_default"] == ["pixels"]
    assert found["status"] == [[1, "AVAILABLE"]]
    assert found["reload"][0] == "PERMISSION_DENIED"
    assert found["model"] == ["NOT_FOUND", "Servable not found for request: Latest(nobody)"]
    assert found["version"] == ["NOT_FOUND", "Servable not found for request: Specific(digits, 9)"]
    said = "Unrecognized servable version label: none"
    assert found["label"] == ["INVALID_ARGUMENT", said]
    assert found["signature"][0] == "FAILED_PRECONDITION"


def test_tensorflow_servings_stubs_classify_and_regress(tensorflow: Any, triton: Any) -> None:
    found = tensorflow["examples"]
    assert found["spec"] == ["half", "classify_x_to_y", 1]
    assert found["classified"] == [[["", 2.5]], [["", 3.0]]]
    assert found["regressed"] == [3.0]
    assert found["both"] == [[[["", 2.5]], [["", 3.0]]], [2.5, 3.0]]
    for model, form in (("digits", "onnx"), ("torch", "torchscript")):
        (row,) = found["digit"][model]
        assert max(row, key=lambda one: float(one[1]))[0] == str(triton[form]["binary"])
    assert found["kind"][0] == "INVALID_ARGUMENT"
    assert found["kind"][1].endswith("Was: tensorflow/serving/predict")
    assert found["name"] == ["INVALID_ARGUMENT", "No signature was found with the name: no"]
    assert found["empty"] == ["INVALID_ARGUMENT", "Input is empty."]
    assert found["feature"][1] == "Example 0 has no feature 'X', which is an input"
    assert found["unfit"][0] == "FAILED_PRECONDITION"
    assert found["tasks"][1].endswith("Was: tensorflow/serving/classify")


def test_kserves_client_asks_by_the_open_inference_protocol(kserve: Any, triton: Any) -> None:
    found = kserve["v2"]
    assert [found[name] for name in ("live", "ready", "digits", "nobody")] == [True] * 3 + [False]
    assert found["labels"] == {
        "digits binary": triton["onnx"]["binary"],
        "digits json": triton["onnx"]["binary"],
        "pictures binary": triton["saved_model"]["binary"],
        "pictures json": triton["saved_model"]["binary"],
        "torch binary": triton["torchscript"]["binary"],
        "torch json": triton["torchscript"]["binary"],
    }
    assert "unexpected inference input 'Y' for model 'digits'" in found["wrong"]


def test_kserves_client_gets_the_same_answers_over_grpc(kserve: Any) -> None:
    found = kserve["grpc"]
    assert found["labels"] == kserve["v2"]["labels"]
    assert [found[name] for name in ("live", "ready", "digits", "nobody")] == [True] * 3 + [False]


def test_kserves_client_asks_by_its_own_protocol(kserve: Any, triton: Any) -> None:
    found = kserve["v1"]
    assert (found["live"], found["digits"]) == (True, True)
    assert found["label"] == triton["onnx"]["binary"]
    assert "Could not find any versions of model nobody, '404" in found["nobody"]
    (explained,) = found["explained"]
    assert len(explained["attributions"]) == 64
    assert explained["target"] == triton["onnx"]["binary"]


def test_what_the_page_shows_works_as_it_stands(url: str) -> None:
    page = (ROOT / "docs" / "runtime" / "open-inference.md").read_text()
    page = page.replace("localhost:8501", url)
    curl, suite = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shown = subprocess.run(
        ["bash", "-euc", curl], capture_output=True, text=True, check=True
    ).stdout
    assert '"platform":"onnx_onnxv1"' in shown
    assert '"data":[1.5,5.0]' in shown
    printed = subprocess.run(
        [python(), "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"b'0\.\d+:\d'", printed)
    ran = subprocess.run(
        [sys.executable, *suite.split()[1:]], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert ran.splitlines()[-1].endswith(" passed, 0 failed")
