"""One array as the requests that servers take: JSON or binary tensors, and TensorFlow's rows."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import networks
from bench.calls import Called
from bench.load import Asked
from runtime.protocols.grpc import messages

_DATATYPES = {"float32": "FP32", "int64": "INT64"}
_NUMBERS = {"float32": 1, "int64": 9}  # TensorFlow's
Rows = NDArray[Any]


def picture() -> Rows:
    """One row for the perceptron, of numbers as short as pixels are in JSON."""
    return np.round(np.random.default_rng(7).random((1, networks.PIXELS)), 4).astype(np.float32)


def image() -> Rows:
    """One row for the convolutional network."""
    return np.random.default_rng(7).random((1, *networks.IMAGE), np.float32)


def tokens(encoder: networks.Encoder = networks.SMALL_ENCODER) -> Rows:
    """One row for a transformer."""
    return np.random.default_rng(7).integers(0, networks.WORDS, (1, encoder.tokens))


def as_rows(port: int, model: str, rows: Rows) -> Asked:
    """TensorFlow Serving's `:predict`."""
    body = json.dumps({"instances": _numbers(rows)}).encode()
    return Asked(port, f"/v1/models/{model}:predict", body)


def as_json(port: int, model: str, rows: Rows) -> Asked:
    """The Open Inference Protocol with numbers in JSON."""
    tensor = _tensor(rows) | {"data": _numbers(rows.ravel())}
    return Asked(port, _path(model), json.dumps({"inputs": [tensor]}).encode())


def as_binary(port: int, model: str, rows: Rows) -> Asked:
    """The Open Inference Protocol with bytes behind the JSON, in the answer too."""
    data = rows.tobytes()
    tensor = _tensor(rows) | {"parameters": {"binary_data_size": len(data)}}
    asked = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    head = json.dumps(asked).encode()
    headers = (
        ("Content-Type", "application/octet-stream"),
        ("Inference-Header-Content-Length", str(len(head))),
    )
    return Asked(port, _path(model), head + data, headers)


def as_call(port: int, model: str, rows: Rows) -> Called:
    """The Open Inference Protocol over gRPC, with bytes in both directions."""
    kind = messages.of("inference.ModelInferRequest")
    made = kind(model_name=model, inputs=[_tensor(rows)], raw_input_contents=[rows.tobytes()])
    path = "/inference.GRPCInferenceService/ModelInfer"
    return Called(port, path, made.SerializeToString())


def as_predict(port: int, model: str, rows: Rows) -> Called:
    """TensorFlow Serving's `Predict`, with `tensor_content` as its own clients make it."""
    shape = {"dim": [{"size": size} for size in rows.shape]}
    tensor = {"dtype": _NUMBERS[rows.dtype.name], "tensor_shape": shape,
              "tensor_content": rows.tobytes()}  # fmt: skip
    kind = messages.of("tensorflow.serving.PredictRequest")
    made = kind(model_spec={"name": model}, inputs={networks.INPUT: tensor})
    return Called(port, "/tensorflow.serving.PredictionService/Predict", made.SerializeToString())


def _path(model: str) -> str:
    return f"/v2/models/{model}/infer"


def _tensor(rows: Rows) -> dict[str, Any]:
    datatype = _DATATYPES[rows.dtype.name]
    return {"name": networks.INPUT, "datatype": datatype, "shape": list(rows.shape)}


def _numbers(rows: Rows) -> Any:
    """Not with the digits that a float32 gets as a float64."""
    return np.round(rows.astype(np.float64), 4).tolist()
