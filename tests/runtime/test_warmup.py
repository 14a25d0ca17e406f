"""A version warms up with the requests that were published with it, or is not loaded."""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput, UnsafeModel
from runtime.backends.protocol import Arrays, Call
from runtime.config import Pin
from runtime.inference import warming
from runtime.protocols import tf_records, warmup_files
from runtime.protocols.grpc import messages
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn

LOG = messages.of("tensorflow.serving.PredictionLog")
THEIRS = "assets.extra/tf_serving_warmup_requests"
COLUMN = {"dtype": 1, "tensor_shape": {"dim": [{"size": 2}, {"size": 1}]}, "float_val": [1, 2]}


class Recording:
    """A backend that keeps what it was run with."""

    trouble = ""

    def __init__(self) -> None:
        packed = Signature(
            (Tensor("inputs", "string", (None,)),), (Tensor("outputs", "float32", (None,)),)
        )
        plain = Signature(
            (Tensor("x", "float32", (None, 1)),), (Tensor("y", "float32", (None, 1)),)
        )
        self.calls: Mapping[str, Call] = {
            "serving_default": Call(plain, "tensorflow/serving/predict", ("x",), ("y",)),
            "regress": Call(packed, "tensorflow/serving/regress", ("e",), ("o",)),
        }
        self.runs: list[tuple[str, list[Any]]] = []

    def run(self, call: str, inputs: Arrays) -> dict[str, Any]:
        if call == "serving_default" and (inputs["x"] < 0).any():
            raise RuntimeError("below zero")
        self.runs += [(call, array.tolist()) for array in inputs.values()]
        return {"y": np.zeros((1, 1)), "outputs": np.zeros(1)}

    def close(self) -> None:
        pass


def replayed(folder: Path, *, limit: int = 100_000) -> list[tuple[str, list[Any]]]:
    backend = Recording()
    pinned = Pin("m", 1, "sha256:" + "0" * 64, "saved_model", active=True)
    warming.replayed(backend, warmup_files.Reader(limit).read(folder, backend, pinned))
    return backend.runs


def refused(folder: Path, **more: int) -> str:
    with pytest.raises(UnsafeModel) as found:
        replayed(folder, **more)
    return found.value.detail


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets.extra").mkdir()
    return tmp_path


def record(**fields: Any) -> bytes:
    return tf_records.written(LOG(**fields).SerializeToString())


def predict(**more: Any) -> bytes:
    return record(predict_log={"request": {"inputs": {"x": COLUMN | more}}})


def test_every_kind_of_tensorflow_servings_records_is_run(folder: Path) -> None:
    spec = {"name": "whoever", "signature_name": "regress"}
    examples = {"example_list": {"examples": [b"", b""]}}
    shared = {"example_list_with_context": {"context": b"\n\0", "examples": [b""]}}
    task = {"model_spec": spec, "method_name": "tensorflow/serving/regress"}
    (folder / THEIRS).write_bytes(
        predict()
        + record(regress_log={"request": {"model_spec": spec, "input": examples}})
        + record(multi_inference_log={"request": {"tasks": [task], "input": shared}})
        + record()
    )
    assert replayed(folder) == [
        ("serving_default", [[1.0], [2.0]]),
        ("regress", [b"", b""]),
        ("regress", [b"\n\0"]),
    ]


def test_every_kind_of_line_of_ours_is_run(folder: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"instances": [[1.0]]},
        {"inputs": {"x": [[2.0]]}},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3.0]}]},
        {"signature_name": "regress", "examples": [{}]},
    ]
    text = "\n\n".join(map(json.dumps, lines))
    (folder / "plimsoll_warmup.jsonl").write_text(text)
    assert replayed(folder) == [
        ("serving_default", [[1.0]]),
        ("serving_default", [[2.0]]),
        ("serving_default", [[3.0]]),
        ("regress", [b"\n\0"]),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (predict() + predict()[:-1], "request 2: truncated record at "),
        (predict() + b"\0" * 5, "request 2: truncated record at "),
        (bytes(12) + predict(), "request 1: corrupted record at 0"),
        (predict()[:-5] + b"\x07" + predict()[-4:], "request 1: corrupted record at 0"),
        (tf_records.written(bytes(200_000)), "request 1: the record at 0 has 200000 bytes"),
        (tf_records.written(b"\xff"), ("request 1: the request is not a "
                                      "tensorflow.serving.PredictionLog")),
        (predict() + predict(float_val=[-1]), "request 2: below zero"),
        (predict(dtype=3), "request 1: input 'x' expects to be float32 but int32 is provided"),
        (record(predict_log={}), "request 1: input size does not match signature: 0!=1"),
        (record(classify_log={}), "request 1: Expected classification signature method_name"),
        (record(session_run_log=b""), ("request 1: Unsupported log_type for warmup: "
                                      "session_run_log")),
        (predict() * 1001, "Number of warmup records exceeds the maximum (1000)"),
    ],
)  # fmt: skip
def test_a_bad_record_is_named_and_fails_the_load(folder: Path, content: bytes, said: str) -> None:
    (folder / THEIRS).write_bytes(content)
    assert said in refused(folder)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"instances": [[1.0]]}\nno json', "request 2: JSON Parse error"),
        ("{}", "request 1: Missing 'inputs' or 'instances' key"),
        ('{"inputs": [{"name": "y", "datatype": "FP32"}]}', ("request 1: unexpected inference "
                                                            "input 'y'")),
        ('{"instances": [[1.0, 2.0]]}', "request 1: input 'x' has the shape [1,2]"),
        ('{"instances": [[-1.0]]}', "request 1: below zero"),
        ('{"instances": [[%s]]}' % ("1" * 100_000), "request 1: the line has more than"),
        ('{"instances": [[1.0]]}\n' * 1001, "exceeds the maximum (1000)"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_and_fails_the_load(folder: Path, line: str, said: str) -> None:
    (folder / "plimsoll_warmup.jsonl").write_text(line)
    assert said in refused(folder)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_records_are_read_as_they_were_written(records: list[bytes]) -> None:
    data = b"".join(map(tf_records.written, records))
    assert list(tf_records.read(io.BytesIO(data), limit=300)) == records


@given(st.binary(min_size=1, max_size=60), st.data())
def test_no_single_change_to_a_file_goes_unseen(record: bytes, data: st.DataObject) -> None:
    whole = bytearray(tf_records.written(record))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidInput):
        list(tf_records.read(io.BytesIO(bytes(whole)), limit=1000))


@given(st.binary(max_size=60))
def test_whatever_bytes_come_as_records_are_refused(data: bytes) -> None:
    """Four right bytes of a checksum are not come by."""
    if data:
        with pytest.raises(InvalidInput):
            list(tf_records.read(io.BytesIO(data), limit=1000))


@pytest.fixture
def served(runtime: Runtime, registry: StandIn) -> Iterator[Runtime]:
    half = models.onnx_half_plus_two()
    good = half | {"plimsoll_warmup.jsonl": b'{"instances": [1.0]}\n{"instances": [[2.0]]}'}
    bad = half | {"plimsoll_warmup.jsonl": b'{"instances": [[2.0]]}\n{"instances": ["two"]}'}
    runtime.models = [
        pin(registry.publish(good)),
        pin(registry.publish(bad, version=2), active=False),
    ]
    with running(runtime):
        yield runtime


def test_a_version_whose_warm_up_fails_is_refused_and_what_serves_goes_on(
    served: Runtime,
) -> None:
    said = served.until_state("REFUSED", version=2)
    assert "plimsoll_warmup.jsonl, request 2: " in said["reason"]
    assert 'JSON Value: "two" Type: String' in said["reason"]
    served.until_state("AVAILABLE")
    answer = served.post("/v1/models/digits:predict", {"instances": [[1.0]]})
    assert answer.json() == {"predictions": [[2.5]]}
    page = served.get("/monitoring/prometheus/metrics").text
    labels = '{model_path="/models/digits/1",status="OK"}'
    assert f":tensorflow:serving:model_warmup_latency_count{labels} 1.0" in page
