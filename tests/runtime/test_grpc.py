"""gRPC as clients speak it: a runtime as it is run, and calls to it byte by byte."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_tools import protoc

from runtime.protocols.grpc import messages
from tests.runtime import models
from tests.runtime.process import PATIENCE, ROOT, Runtime, pin, running
from tests.runtime.stand_in import StandIn

PREDICTION = "tensorflow.serving.PredictionService"
MODELS = "tensorflow.serving.ModelService"
TRITON = "inference.GRPCInferenceService"
DIGIT = (np.arange(64, dtype=np.float32) / 64).reshape(1, 64)
SPEC = {"name": "digits"}


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    registry = StandIn()
    with registry.answering():
        runtime = Runtime(tmp_path_factory.mktemp("grpc"), registry)
        published = registry.publish(models.onnx_digits())
        runtime.models = [pin(published)]
        runtime.limits = {"bodyBytes": 200_000}
        runtime.more = {"grpcListen": runtime.grpc}
        with running(runtime), grpc.insecure_channel(runtime.grpc) as found:
            runtime.until(lambda: runtime.get("/readyz").status_code == 200)
            yield found


def asked(channel: grpc.Channel, method: str, request: Any, answer: str = "") -> Any:
    """The answer, or the code's name and its text."""
    data = request if isinstance(request, bytes) else request.SerializeToString()
    try:
        found = channel.unary_unary(f"/{method}")(data, timeout=PATIENCE)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return messages.of(answer).FromString(found)


def predict(**fields: Any) -> Any:
    kind = messages.of("tensorflow.serving.PredictRequest")
    tensor = {"dtype": 1, "tensor_shape": {"dim": [{"size": 1}, {"size": 64}]},
              "tensor_content": DIGIT.tobytes()}  # fmt: skip
    return kind(**{"model_spec": SPEC, "inputs": {"X": tensor}, **fields})


def infer(**changes: Any) -> Any:
    given = {"name": "X", "datatype": "FP32", "shape": [1, 64], **changes.pop("input", {})}
    whole = {"model_name": "digits", "inputs": [given], "raw_input_contents": [DIGIT.tobytes()]}
    return messages.of("inference.ModelInferRequest")(**(whole | changes))


def inferred(channel: grpc.Channel, request: Any) -> Any:
    return asked(channel, f"{TRITON}/ModelInfer", request, "inference.ModelInferResponse")


def predicted(channel: grpc.Channel, request: Any) -> Any:
    return asked(channel, f"{PREDICTION}/Predict", request, "tensorflow.serving.PredictResponse")


def test_the_descriptors_are_those_of_the_proto_files(tmp_path: Path) -> None:
    folder = ROOT / "runtime/protocols/grpc"
    made = tmp_path / "messages.pb"
    known = resources.files("grpc_tools") / "_proto"
    names = (
        "tensorflow.proto", "tensorflow_serving.proto", "open_inference.proto", "health.proto",
        "reflection.proto", "reflection_v1alpha.proto",
    )  # fmt: skip
    assert (
        protoc.main(["", f"-I{known}", f"-I{folder}", f"--descriptor_set_out={made}", *names]) == 0
    )
    assert made.read_bytes() == (folder / "messages.pb").read_bytes()


def test_both_services_answer_alike_in_every_form_of_tensors(channel: grpc.Channel) -> None:
    content = predicted(channel, predict())
    shape = {"dim": [{"size": 1}, {"size": 64}]}
    values = {"dtype": 1, "tensor_shape": shape, "float_val": DIGIT.ravel().tolist()}
    assert predicted(channel, predict(inputs={"X": values})) == content
    raw = inferred(channel, infer())
    typed = inferred(channel, infer(raw_input_contents=[], input={
        "contents": {"fp32_contents": DIGIT.ravel().tolist()}}))  # fmt: skip
    assert content.model_spec.version.value == 1
    for position, output in enumerate(raw.outputs):
        one = content.outputs[output.name]
        field = "int64_val" if output.datatype == "INT64" else "float_val"
        kind = np.int64 if output.datatype == "INT64" else np.float32
        wanted = np.frombuffer(raw.raw_output_contents[position], kind).tolist()
        assert list(getattr(one, field)) == wanted
        contents = typed.outputs[position].contents
        assert list(contents.int64_contents or contents.fp32_contents) == wanted


def test_the_last_value_of_a_tensor_stands_for_all_that_follow(channel: grpc.Channel) -> None:
    shape = {"dim": [{"size": 1}, {"size": 64}]}
    short = {"dtype": 1, "tensor_shape": shape, "float_val": [0.5]}
    whole = {**short, "float_val": [0.5] * 64}
    assert predicted(channel, predict(inputs={"X": short})) == predicted(
        channel, predict(inputs={"X": whole})
    )


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"model_spec": None}, "INVALID_ARGUMENT", "Missing ModelSpec"),
        ({"model_spec": {"name": "x"}}, "NOT_FOUND", "Servable not found for request: Latest(x)"),
        ({"model_spec": {**SPEC, "version": {"value": 9}}}, "NOT_FOUND",
         "Servable not found for request: Specific(digits, 9)"),
        ({"model_spec": {**SPEC, "version_label": "no"}}, "INVALID_ARGUMENT",
         "Unrecognized servable version label: no"),
        ({"model_spec": {**SPEC, "signature_name": "no"}}, "FAILED_PRECONDITION",
         'Serving signature key "no" not found.'),
        ({"inputs": {}}, "INVALID_ARGUMENT", "signature: 0!=1 len({}) != len({X})."),
        ({"inputs": {"X": {"dtype": 3}}}, "INVALID_ARGUMENT",
         "input 'X' expects to be float32 but int32 is provided"),
        ({"inputs": {"X": {"dtype": 1, "tensor_shape": {"dim": [{"size": -1}]}}}},
         "INVALID_ARGUMENT", "tensor parsing error: X: its shape is not one that a tensor has"),
        ({"inputs": {"X": {"dtype": 1, "float_val": [1], "tensor_shape": {
            "dim": [{"size": 2**62}] * 9}}}}, "INVALID_ARGUMENT", "above the limit of 200000"),
        ({"output_filter": ["no"]}, "INVALID_ARGUMENT", "output tensor alias not found"),
    ],
)  # fmt: skip
def test_predict_refuses_in_tensorflow_servings_words(
    channel: grpc.Channel, fields: dict[str, Any], code: str, text: str
) -> None:
    found, said = predicted(channel, predict(**fields))
    assert found == code
    assert text in said


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"model_name": "x"}, "NOT_FOUND", "Request for unknown model: 'x' is not found"),
        ({"model_version": "one"}, "INVALID_ARGUMENT", "failed to get model version"),
        ({"input": {"shape": [-1, 64]}}, "INVALID_ARGUMENT", "impossible 'shape'"),
        ({"input": {"shape": [2**62] * 4}}, "INVALID_ARGUMENT", "impossible 'shape'"),
        (
            {"raw_input_contents": [], "input": {"shape": [1000, 64]}},
            "INVALID_ARGUMENT",
            "more than 200000 bytes",
        ),
        ({"input": {"shape": [1, 63]}}, "INVALID_ARGUMENT", "Expected [-1,64], got [1,63]"),
        ({"input": {"datatype": "INT8"}}, "INVALID_ARGUMENT", "data-type is 'INT8'"),
        ({"input": {"name": "Y"}}, "INVALID_ARGUMENT", "unexpected inference input 'Y'"),
        ({"inputs": [], "raw_input_contents": []}, "INVALID_ARGUMENT", "input 'X' is missing"),
        ({"raw_input_contents": [b"1"]}, "INVALID_ARGUMENT", "byte size 1 for input 'X'"),
        ({"raw_input_contents": [b"", b""]}, "INVALID_ARGUMENT", "got 2"),
        ({"raw_input_contents": []}, "INVALID_ARGUMENT", "number of elements 0"),
        ({"outputs": [{"name": "no"}]}, "INVALID_ARGUMENT", "unexpected inference output 'no'"),
    ],
)
def test_model_infer_refuses_in_tritons_words(
    channel: grpc.Channel, changes: dict[str, Any], code: str, text: str
) -> None:
    found, said = inferred(channel, infer(**changes))
    assert found == code
    assert text in said


def test_what_is_no_message_is_the_clients_error(channel: grpc.Channel) -> None:
    cut = infer().SerializeToString()[:-3]
    assert inferred(channel, cut)[0] == "INVALID_ARGUMENT"
    assert predicted(channel, b"\xff" * 9)[0] == "INVALID_ARGUMENT"
    assert inferred(channel, infer(raw_input_contents=[bytes(400_000)]))[0] == "RESOURCE_EXHAUSTED"


def test_a_stream_answers_in_order_and_goes_on_after_an_error(channel: grpc.Channel) -> None:
    requests = [infer(id="1"), infer(id="2", model_name="x"), infer(id="3")]
    answers = channel.stream_stream(f"/{TRITON}/ModelStreamInfer")(
        iter(one.SerializeToString() for one in requests), timeout=PATIENCE
    )
    kind = messages.of("inference.ModelStreamInferResponse")
    found = [kind.FromString(data) for data in answers]
    assert [bool(one.error_message) for one in found] == [False, True, False]
    assert [one.infer_response.id for one in found] == ["1", "2", "3"]


def test_status_and_metadata_are_told_and_changes_are_refused(channel: grpc.Channel) -> None:
    spec = messages.of("tensorflow.serving.GetModelStatusRequest")(model_spec=SPEC)
    status = asked(channel, f"{MODELS}/GetModelStatus", spec,
                   "tensorflow.serving.GetModelStatusResponse")  # fmt: skip
    assert [(one.version, one.state) for one in status.model_version_status] == [(1, 30)]
    described = asked(
        channel,
        f"{PREDICTION}/GetModelMetadata",
        messages.of("tensorflow.serving.GetModelMetadataRequest")(
            model_spec=SPEC, metadata_field=["signature_def"]
        ),
        "tensorflow.serving.GetModelMetadataResponse",
    )
    assert described.metadata["signature_def"].type_url.endswith("SignatureDefMap")
    config = messages.of("inference.ModelRequest")(name="digits")
    told = asked(channel, f"{TRITON}/ModelConfig", config, "inference.ModelConfigResponse")
    assert told.config.backend == "onnxruntime"
    assert asked(channel, f"{MODELS}/HandleReloadConfigRequest", b"")[0] == "PERMISSION_DENIED"
    assert asked(channel, f"{TRITON}/RepositoryModelLoad", b"")[0] == "PERMISSION_DENIED"
    assert asked(channel, f"{TRITON}/SystemSharedMemoryStatus", b"")[0] == "UNIMPLEMENTED"
    health = asked(channel, "grpc.health.v1.Health/Check", b"",
                   "grpc.health.v1.HealthCheckResponse")  # fmt: skip
    assert health.status == 1


def test_a_stock_reflection_client_learns_every_method_that_answers(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    services = database.get_services()
    assert {PREDICTION, MODELS, TRITON, "grpc.health.v1.Health"} < set(services)
    pool = DescriptorPool(database)
    known = [
        (f"{service}/{method.name}", GetMessageClass(method.input_type)())
        for service in services
        for method in pool.FindServiceByName(service).methods
        if not (method.client_streaming or method.server_streaming)
    ]
    assert len(known) == 18
    for path, request in known:
        said = asked(channel, path, request, "inference.ServerRequest")
        assert not isinstance(said, tuple) or said[0] != "UNIMPLEMENTED", path


@pytest.mark.parametrize("edition", ["v1", "v1alpha"])
def test_reflection_finds_files_and_says_what_there_is_not(
    channel: grpc.Channel, edition: str
) -> None:
    def ask(**fields: Any) -> Any:
        return kind(**fields).SerializeToString()

    kind = messages.of("grpc.reflection.v1.ServerReflectionRequest")
    requests = [
        ask(file_containing_symbol=f"{PREDICTION}.Predict"),
        ask(file_by_filename="nobody.proto"),
        ask(file_containing_symbol="nobody"),
        ask(all_extension_numbers_of_type="tensorflow.TensorProto"),
        ask(file_containing_extension={"containing_type": "tensorflow.TensorProto"}),
        ask(list_services="*", host="here"),
    ]
    path = f"/grpc.reflection.{edition}.ServerReflection/ServerReflectionInfo"
    read = messages.of("grpc.reflection.v1.ServerReflectionResponse").FromString
    said = [read(one) for one in channel.stream_stream(path)(iter(requests), timeout=PATIENCE)]
    files = said[0].file_descriptor_response.file_descriptor_proto
    names = [FileDescriptorProto.FromString(one).name for one in files]
    assert names[-2:] == ["tensorflow.proto", "tensorflow_serving.proto"]
    assert [one.error_response.error_code for one in said] == [0, 5, 5, 0, 5, 0]
    assert said[5].valid_host == "here"
    with pytest.raises(grpc.RpcError) as nothing:
        list(channel.stream_stream(path)(iter([b""]), timeout=PATIENCE))
    assert nothing.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_where_grpc_is_not_installed_it_is_said_how_to_have_it(tmp_path: Path) -> None:
    registry = StandIn()
    with registry.answering():
        runtime = Runtime(tmp_path, registry)
        runtime.more = {"grpcListen": runtime.grpc}
        runtime.write_config()
        program = (
            "import runpy, sys; sys.modules['hpack'] = None; "
            f"sys.argv[1:] = ['--config', {str(runtime.config)!r}]; "
            "runpy.run_module('runtime', run_name='__main__', alter_sys=True)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT,
            check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "grpcListen is set, and hpack is not installed" in done.stderr
    assert "plimsoll[grpc]" in done.stderr
    assert "Traceback" not in done.stderr
