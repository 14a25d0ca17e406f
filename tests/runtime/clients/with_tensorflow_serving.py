"""Run by the environment of `make clients`: what TensorFlow Serving's own stubs see of a server.

TensorFlow's messages are in its package, which is not entered at its top: that would load it all.
Prints one JSON document; the arguments are the server's address and the folder of that package.
"""

import json
import sys
import types
from typing import Any

import grpc
import numpy as np

tensorflow = types.ModuleType("tensorflow")
tensorflow.__path__ = [sys.argv[2]]
sys.modules["tensorflow"] = tensorflow

from tensorflow.core.example import example_pb2  # noqa: E402
from tensorflow.core.framework import tensor_pb2, types_pb2  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

DIGIT = (np.arange(64, dtype=np.float32) / 64).reshape(1, 64)


def tensor(value: np.ndarray) -> Any:
    found = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_FLOAT, tensor_content=value.astype(np.float32).tobytes()
    )
    for size in value.shape:
        found.tensor_shape.dim.add(size=size)
    return found


def refused(call: Any) -> list[str]:
    try:
        call()
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return ["", "was not refused"]


def predict(stub: Any, model: str, name: str, **spec: Any) -> Any:
    request = predict_pb2.PredictRequest(inputs={name: tensor(DIGIT)})
    request.model_spec.name = model
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    if "signature" in spec:
        request.model_spec.signature_name = spec["signature"]
    if "label" in spec:
        request.model_spec.version_label = spec["label"]
    return stub.Predict(request, timeout=60)


def words(stub: Any) -> list[list[str]]:
    given = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[b"plain", b"\xff\x00"])
    given.tensor_shape.dim.add(size=2)
    request = predict_pb2.PredictRequest(inputs={"word": given})
    request.model_spec.name = "words"
    answer = stub.Predict(request, timeout=60)
    return [[item.hex() for item in answer.outputs[name].string_val]
            for name in ("same", "more_bytes")]  # fmt: skip


def example(**features: list[float]) -> Any:
    found = example_pb2.Example()
    for name, values in features.items():
        found.features.feature[name].float_list.value.extend(values)
    return found


def asked(request: Any, model: str, signature: str, *examples: Any, context: Any = None) -> Any:
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if context is None:
        request.input.example_list.examples.extend(examples)
    else:
        request.input.example_list_with_context.examples.extend(examples)
        request.input.example_list_with_context.context.CopyFrom(context)
    return request


def scores(result: Any) -> list[list[list[Any]]]:
    return [[[one.label, one.score] for one in row.classes] for row in result.classifications]


def of_examples(stub: Any) -> dict[str, Any]:
    """Classify, Regress and MultiInference, of models that parse Examples and that do not."""
    rows = example(x=[1.0]), example(x=[2.0])
    classify = classification_pb2.ClassificationRequest
    regress = regression_pb2.RegressionRequest
    multi = inference_pb2.MultiInferenceRequest()
    for signature, method in (("classify_x_to_y", "classify"), ("regress_x_to_y", "regress")):
        task = multi.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "half", signature
    multi.input.example_list.examples.extend(rows)
    both = stub.MultiInference(multi, timeout=60).results
    shared = asked(regress(), "half", "regress_x_to_y", example(), context=rows[1])
    classified = stub.Classify(asked(classify(), "half", "classify_x_to_y", *rows), timeout=60)
    spec = classified.model_spec
    digit = {
        model: scores(stub.Classify(asked(classify(), model, "", given), timeout=60).result)
        for model, given in (
            ("digits", example(X=DIGIT.ravel())), ("torch", example(pixels=DIGIT.ravel())),
        )
    }  # fmt: skip
    multi.tasks[1].model_spec.signature_name = "classify_x_to_y"
    return {
        "spec": [spec.name, spec.signature_name, spec.version.value],
        "classified": scores(classified.result),
        "regressed": [one.value for one in stub.Regress(shared, timeout=60).result.regressions],
        "both": [scores(both[0].classification_result),
                 [one.value for one in both[1].regression_result.regressions]],
        "digit": digit,
        "kind": refused(lambda: stub.Regress(asked(regress(), "half", "", *rows), timeout=60)),
        "name": refused(lambda: stub.Classify(asked(classify(), "half", "no", *rows), timeout=60)),
        "empty": refused(lambda: stub.Classify(asked(classify(), "digits", ""), timeout=60)),
        "feature": refused(
            lambda: stub.Classify(asked(classify(), "digits", "", *rows), timeout=60)
        ),
        "unfit": refused(lambda: stub.Regress(asked(regress(), "digits", "", *rows), timeout=60)),
        "tasks": refused(lambda: stub.MultiInference(multi, timeout=60)),
    }  # fmt: skip


def signatures(stub: Any) -> dict[str, list[str]]:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "pictures"
    found = get_model_metadata_pb2.SignatureDefMap()
    assert stub.GetModelMetadata(request, timeout=60).metadata["signature_def"].Unpack(found)
    return {name: sorted(one.inputs) for name, one in found.signature_def.items()}


def main(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.name = "digits"
        known = models.GetModelStatus(status, timeout=60).model_version_status
        reload = model_management_pb2.ReloadConfigRequest()
        labels = {}
        for model, name in (("digits", "X"), ("pictures", "pixels"), ("torch", "pixels")):
            answer = predict(stub, model, name)
            labels[model] = int(answer.outputs["label"].int64_val[0])
            assert answer.model_spec.version.value == 1
        seen = {
            "labels": labels,
            "words": words(stub),
            "examples": of_examples(stub),
            "signatures": signatures(stub),
            "status": [
                [one.version, get_model_status_pb2.ModelVersionStatus.State.Name(one.state)]
                for one in known
            ],
            "reload": refused(lambda: models.HandleReloadConfigRequest(reload, timeout=60)),
            "model": refused(lambda: predict(stub, "nobody", "X")),
            "version": refused(lambda: predict(stub, "digits", "X", version=9)),
            "label": refused(lambda: predict(stub, "digits", "X", label="none")),
            "signature": refused(lambda: predict(stub, "digits", "X", signature="none")),
        }
    json.dump(seen, sys.stdout)


main(sys.argv[1])
