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

from tensorflow.core.framework import tensor_pb2, types_pb2  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
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
    return stub.Predict(request, timeout=20)


def words(stub: Any) -> list[list[str]]:
    given = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[b"plain", b"\xff\x00"])
    given.tensor_shape.dim.add(size=2)
    request = predict_pb2.PredictRequest(inputs={"word": given})
    request.model_spec.name = "words"
    answer = stub.Predict(request, timeout=20)
    return [[item.hex() for item in answer.outputs[name].string_val]
            for name in ("same", "more_bytes")]  # fmt: skip


def signatures(stub: Any) -> dict[str, list[str]]:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "pictures"
    found = get_model_metadata_pb2.SignatureDefMap()
    assert stub.GetModelMetadata(request, timeout=20).metadata["signature_def"].Unpack(found)
    return {name: sorted(one.inputs) for name, one in found.signature_def.items()}


def main(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.name = "digits"
        known = models.GetModelStatus(status, timeout=20).model_version_status
        reload = model_management_pb2.ReloadConfigRequest()
        labels = {}
        for model, name in (("digits", "X"), ("pictures", "pixels"), ("torch", "pixels")):
            answer = predict(stub, model, name)
            labels[model] = int(answer.outputs["label"].int64_val[0])
            assert answer.model_spec.version.value == 1
        seen = {
            "labels": labels,
            "words": words(stub),
            "signatures": signatures(stub),
            "status": [
                [one.version, get_model_status_pb2.ModelVersionStatus.State.Name(one.state)]
                for one in known
            ],
            "reload": refused(lambda: models.HandleReloadConfigRequest(reload, timeout=20)),
            "model": refused(lambda: predict(stub, "nobody", "X")),
            "version": refused(lambda: predict(stub, "digits", "X", version=9)),
            "label": refused(lambda: predict(stub, "digits", "X", label="none")),
            "signature": refused(lambda: predict(stub, "digits", "X", signature="none")),
        }
    json.dump(seen, sys.stdout)


main(sys.argv[1])
