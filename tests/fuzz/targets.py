"""What is fuzzed: for each target a way in, and seeds that reach deep.

The first byte of an input chooses among the models, so that every type of tensor is met.
"""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass

from runtime.protocols.datatypes import NAMES
from runtime.protocols.grpc import messages
from tests.fuzz.rig import CONTROL_TOKEN, MODELS, Rig, require_no_defect, require_no_defect_in_call

_INFER = b"/inference.GRPCInferenceService/ModelInfer"
_PREDICT = b"/tensorflow.serving.PredictionService/Predict"
_NUMBERS = {"float32": "fp32_contents", "int64": "int64_contents", "string": "bytes_contents"}


@dataclass(frozen=True, slots=True)
class Target:
    """`require_handled` raises where an input found a defect."""

    require_handled: Callable[[Rig, bytes], None]
    seeds: tuple[bytes, ...]


def _model(data: bytes) -> str:
    return MODELS[data[0] % len(MODELS)]


def _posted(path: str, body: bytes, *headers: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join((*lines, "", "")).encode() + body


def _http(rig: Rig, data: bytes) -> None:
    require_no_defect(rig.http(data))


def _predict(rig: Rig, data: bytes) -> None:
    if data:
        require_no_defect(rig.http(_posted(f"/v1/models/{_model(data)}:predict", data[1:])))


def _examples(rig: Rig, data: bytes) -> None:
    if data:
        verb = ("classify", "regress")[data[0] % 2]
        path = f"/v1/models/{_model(data)}:{verb}"
        require_no_defect(rig.http(_posted(path, data[1:])))


def _infer(rig: Rig, data: bytes) -> None:
    """Two bytes say how long the JSON is; 0 is that all of it is JSON."""
    if len(data) < 3:
        return
    size = int.from_bytes(data[1:3], "big")
    headers = (f"Inference-Header-Content-Length: {size}",) if size else ()
    require_no_defect(rig.http(_posted(f"/v2/models/{_model(data)}/infer", data[3:], *headers)))


def _compressed(rig: Rig, data: bytes) -> None:
    if data:
        coding = ("gzip", "deflate", "identity")[data[0] % 3]
        sent = _posted("/v2/models/float32/infer", data[1:], f"Content-Encoding: {coding}")
        require_no_defect(rig.http(sent))


_SHOWN = f"Authorization: Bearer {CONTROL_TOKEN}"
# Of a model that is not here: what is asked of it takes nothing from the other targets.
_CHANGES = (
    ("PUT", "/plimsoll/models/spare/versions/2"),
    ("PUT", "/plimsoll/models/spare/policy"),
    ("PUT", "/plimsoll/models/spare/labels/stable"),
    ("POST", "/plimsoll/models/spare/versions/2/activate"),
    ("DELETE", "/plimsoll/models/spare/labels/stable"),
    ("POST", "/v2/repository/models/spare/load"),
    ("POST", "/v2/repository/models/spare/unload"),
)


def _control(rig: Rig, data: bytes) -> None:
    """Whoever has the token may still send anything."""
    if data:
        method, path = _CHANGES[data[0] % len(_CHANGES)]
        sent = _posted(path, data[1:], _SHOWN)
        require_no_defect(rig.http(sent.replace(b"POST", method.encode(), 1)))


def _changes() -> tuple[bytes, ...]:
    # What is read last is wrong, so nothing is loaded.
    pin = {"digest": f"sha256:{'0' * 64}", "format": "onnx", "isolation": "process", "threads": 1,
           "permit": {"payload": "e30="}, "weights": "copied", "memoryBytes": "none",
           "batching": {"maxBatchSize": 8, "queue": {"size": 3}},
           "cache": {"bytes": 1}}  # fmt: skip
    governed = {"versions": {"latest": 2}, "labels": {"stable": 1}}
    bodies: tuple[object, ...] = (
        pin, governed, {"version": 1}, {}, {}, {"parameters": {}}, {"parameters": {}},
    )  # fmt: skip
    return tuple(bytes([number]) + _json(body) for number, body in enumerate(bodies))


def _grpc(path: bytes) -> Callable[[Rig, bytes], None]:
    def attempt(rig: Rig, data: bytes) -> None:
        require_no_defect_in_call(rig.grpc(path, data))

    return attempt


def _chosen(model: str) -> bytes:
    return bytes([MODELS.index(model)])


def _values(dtype: str) -> list[object]:
    match dtype:
        case "string":
            return ["a", "ü"]
        case "bool":
            return [True, False]
        case _ if "int" in dtype:
            return [0, 7]
        case _:
            return [0.5, -1e3]


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _rows() -> tuple[bytes, ...]:
    found = [_chosen(dtype) + _json({"instances": [_values(dtype)] * 2}) for dtype in NAMES]
    found += [_chosen(dtype) + _json({"inputs": {"x": [_values(dtype)]}}) for dtype in NAMES]
    rows = [{"a": [1.0, 2.0], "b": 3}]
    found += [
        _chosen("two") + _json({"instances": rows, "signature_name": "serving_default"}),
        _chosen("string") + _json({"instances": [[{"b64": "YQ=="}, "b"]]}),
        _chosen("float32") + b'{"instances": [[NaN, Infinity]]}',
    ]
    return tuple(found)


def _features() -> tuple[bytes, ...]:
    example = {"x": [1.0, 2.0], "n": 3, "s": ["a", {"b64": "YQ=="}]}
    whole = {"signature_name": "serving_default", "context": {"c": 1.5}, "examples": [example] * 2}
    found = [_chosen(model) + _json(whole) for model in ("float32", "float64", "int64", "string")]
    return (*found, _chosen("float32") + b'{"examples": [{"x": [NaN, 1]}]}')


def _tensors() -> tuple[bytes, ...]:
    found = []
    for dtype, name in NAMES.items():
        plain = {"name": "x", "datatype": name, "shape": [1, 2]}
        found.append(
            _chosen(dtype) + b"\0\0" + _json({"inputs": [{**plain, "data": _values(dtype)}]})
        )
        tail = b"\1\0\0\0a\2\0\0\0bc" if dtype == "string" else bytes(2 * _width(dtype))
        packed = {**plain, "parameters": {"binary_data_size": len(tail)}}
        wanted = [{"name": "x_out", "parameters": {"binary_data": True}}]
        head = _json({"id": "1", "inputs": [packed], "outputs": wanted})
        found.append(_chosen(dtype) + struct.pack(">H", len(head)) + head + tail)
    return tuple(found)


def _width(dtype: str) -> int:
    bits = "".join(filter(str.isdigit, dtype))
    return int(bits) // 8 if bits else 1


def _infer_calls() -> tuple[bytes, ...]:
    kind = messages.of("inference.ModelInferRequest")
    found = []
    for dtype, field in _NUMBERS.items():
        values = [b"a", b"bc"] if dtype == "string" else [1, 2]
        tensor = {"name": "x", "datatype": NAMES[dtype], "shape": [1, 2]}
        found.append(kind(model_name=dtype, inputs=[{**tensor, "contents": {field: values}}]))
        raw = b"\1\0\0\0a\2\0\0\0bc" if dtype == "string" else bytes(2 * _width(dtype))
        found.append(kind(model_name=dtype, inputs=[tensor], raw_input_contents=[raw], id="1"))
    return tuple(one.SerializeToString() for one in found)


def _predict_calls() -> tuple[bytes, ...]:
    kind = messages.of("tensorflow.serving.PredictRequest")
    shape = {"dim": [{"size": 1}, {"size": 2}]}
    tensors = {
        "float32": {"dtype": 1, "tensor_shape": shape, "float_val": [1.0]},
        "int64": {"dtype": 9, "tensor_shape": shape, "tensor_content": bytes(16)},
        "string": {"dtype": 7, "tensor_shape": shape, "string_val": [b"a", b"b"]},
    }
    return tuple(
        kind(model_spec={"name": model}, inputs={"x": tensor}).SerializeToString()
        for model, tensor in tensors.items()
    )


def _requests() -> tuple[bytes, ...]:
    gets = (
        "/v1/models/float32", "/v1/models/float32/versions/1/metadata", "/v2", "/v2/models/two",
        "/v2/models/two/versions/1/stats", "/v2/health/ready", "/v2/models/two/config", "/metrics",
        "/v2/repository/index", "/plimsoll/status", "/plimsoll/recent?id=1",
    )  # fmt: skip
    body = b"2;e=1\r\n{}\r\n0\r\nA: b\r\n\r\n"
    head = b"POST /v2/repository/index HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    return (
        *(f"GET {path} HTTP/1.1\r\nHost: x\r\n{_SHOWN}\r\n\r\n".encode() for path in gets),
        _posted("/v1/models/float32:predict", b'{"instances": [[1, 2]]}'),
        _posted("/v1/models/string:classify", b'{"examples": [{"x": "a"}]}'),
        head + body,
    )


TARGETS = {
    "http": Target(_http, _requests()),
    "predict": Target(_predict, _rows()),
    "examples": Target(_examples, _features()),
    "control": Target(_control, _changes()),
    "infer": Target(_infer, _tensors()),
    "compressed": Target(_compressed, (b"\0\x1f\x8b\x08\0\0\0\0\0\0\3", b"\1x\x9c\3\0\0\0\0\1")),
    "grpc-infer": Target(_grpc(_INFER), _infer_calls()),
    "grpc-predict": Target(_grpc(_PREDICT), _predict_calls()),
}
