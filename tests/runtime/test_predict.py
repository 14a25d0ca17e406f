"""A verified version answers on TensorFlow Serving's paths, in its words and with its codes."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import numpy as np
import pytest
from onnx import TensorProto

from tests.runtime import models
from tests.runtime.process import Runtime, pin, running, sent
from tests.runtime.stand_in import StandIn

DIGITS = "/v1/models/digits:predict"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """One runtime with a version of each kind, for the tests that only ask."""
    registry = StandIn()
    slow = models.onnx_slow(10_000)
    with registry.answering():
        published = [
            registry.publish(models.onnx_digits()),
            registry.publish(models.onnx_two_inputs(), model="two"),
            registry.publish(models.onnx_identity(TensorProto.DOUBLE), model="doubles"),
            registry.publish(models.onnx_identity(TensorProto.INT8, shape=("n",)), model="bytes"),
            registry.publish(models.onnx_identity(TensorProto.STRING, shape=("n",)), model="words"),
            registry.publish(models.onnx_identity(TensorProto.BOOL, shape=("n",)), model="bools"),
            registry.publish(slow, model="slow"),
        ]
        runtime = Runtime(tmp_path_factory.mktemp("served"), registry)
        runtime.models = [pin(one) for one in published]
        runtime.limits = {"bodyBytes": 200_000, "deadlineSeconds": 1}
        with running(runtime):
            runtime.until(lambda: runtime.get("/readyz").status_code == 200)
            yield runtime


def answered(runtime: Runtime, path: str, body: object) -> tuple[int, object]:
    """Status and document; NaN is read as Python reads it."""
    response = runtime.post(path, body)
    return response.status_code, json.loads(response.content)


def refusal(runtime: Runtime, path: str, body: object) -> str:
    """The error text of a request that must get a 400."""
    status, document = answered(runtime, path, body)
    assert status == 400, document
    assert isinstance(document, dict)
    assert list(document) == ["error"]
    return str(document["error"])


def test_a_published_onnx_model_recognises_digits(served: Runtime) -> None:
    images, labels = models.digits()
    answer = served.post(DIGITS, {"instances": images[:50].tolist()})
    found = [row["label"] for row in answer.json()["predictions"]]
    assert np.mean(np.array(found) == labels[:50]) > 0.9
    assert answer.headers["content-type"] == "application/json"


def test_every_answer_names_version_and_digest(served: Runtime) -> None:
    for body in ({"instances": [[0.5] * 64]}, {"instances": [["no number"] * 64]}):
        headers = served.post(DIGITS, body).headers
        assert headers["plimsoll-version"] == "1"
        assert headers["plimsoll-digest"] == served.models[0]["digest"]


def test_rows_of_several_outputs_are_objects(served: Runtime) -> None:
    body = {"instances": [{"a": 1, "b": 0.5}, {"b": 2, "a": 3}]}
    assert answered(served, "/v1/models/two:predict", body) == (
        200,
        {"predictions": [{"less": 0.5, "sum": 1.5}, {"less": 1.0, "sum": 5.0}]},
    )


def test_columns_come_back_as_columns(served: Runtime) -> None:
    body = {"inputs": {"a": [1, 3], "b": [0.5, 2]}}
    assert answered(served, "/v1/models/two:predict", body) == (
        200,
        {"outputs": {"less": [0.5, 1.0], "sum": [1.5, 5.0]}},
    )


def test_a_single_output_comes_back_bare(served: Runtime) -> None:
    path = "/v1/models/doubles:predict"
    assert answered(served, path, {"instances": [[1, 2.5]]}) == (200, {"predictions": [[1.0, 2.5]]})
    assert answered(served, path, {"inputs": [[1, 2.5]]}) == (200, {"outputs": [[1.0, 2.5]]})


def test_nan_and_infinities_pass_both_ways(served: Runtime) -> None:
    response = served.post(
        "/v1/models/doubles:predict", b'{"instances": [[NaN, Infinity, -Infinity, 0.1]]}'
    )
    assert response.status_code == 200
    assert response.content == b'{"predictions":[[NaN,Infinity,-Infinity,0.1]]}'


def test_floats_keep_their_shortest_digits_beside_a_nan(served: Runtime) -> None:
    response = served.post("/v1/models/two:predict", b'{"inputs": {"a": [0.2, NaN], "b": [0, 0]}}')
    assert response.content == b'{"outputs":{"sum":[0.2,NaN],"less":[0.2,NaN]}}'


def test_the_content_type_does_not_matter(served: Runtime) -> None:
    body = {"instances": [[0.5] * 64]}
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "image/png"):
        response = served.post(DIGITS, body, headers={"content-type": content_type})
        assert response.status_code == 200


def test_strings_may_be_text_or_base64(served: Runtime) -> None:
    coded = {"b64": base64.b64encode("Grüße\0".encode()).decode()}
    body = {"instances": ["plain", coded]}
    assert answered(served, "/v1/models/words:predict", body) == (
        200,
        {"predictions": ["plain", "Grüße\0"]},
    )


def test_booleans_are_not_numbers(served: Runtime) -> None:
    assert answered(served, "/v1/models/bools:predict", {"instances": [True, False]}) == (
        200,
        {"predictions": [True, False]},
    )
    assert "is not of expected type: bool" in refusal(
        served, "/v1/models/bools:predict", {"instances": [1, 0]}
    )
    assert "Type: True is not of expected type: double" in refusal(
        served, "/v1/models/doubles:predict", {"instances": [[1.0, True]]}
    )


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (DIGITS, b"", "JSON Parse error: The document is empty"),
        (DIGITS, b'{"instances": [', "JSON Parse error: Invalid value. at offset: 15"),
        (DIGITS, b'{"instances": [NaN', "JSON Parse error: Invalid value. at offset: 18"),
        (DIGITS, b"[" * 100_000, "JSON Parse error"),
        (DIGITS, b"[1]", "JSON Value: [1] Is not object"),
        (DIGITS, {}, "Missing 'inputs' or 'instances' key"),
        (DIGITS, {"inputs": 1, "instances": [1]}, "expecting only one of 'inputs' or 'instances'"),
        (DIGITS, {"instances": 1}, "Excepting 'instances' to be an list/array"),
        (DIGITS, {"instances": []}, "No values in 'instances' array"),
        (
            DIGITS,
            {"instances": [[0] * 64], "signature_name": 5},
            "'signature_name' key must be a string value.",
        ),
        (
            DIGITS,
            {"instances": [[0] * 64], "signature_name": "s"},
            'Serving signature name: "s" not found in signature def',
        ),
        (
            DIGITS,
            {"instances": [[1, 2], [3]]},
            (
                "Failed to process element: 1 of 'instances' list. "
                "Error: INVALID_ARGUMENT: Expecting tensor size: 2 but got: 1"
            ),
        ),
        (
            DIGITS,
            {"instances": [[[1, 2]], [[3], [4]]]},
            "Expecting shape [1,2] but got: [2,1]",
        ),
        (
            DIGITS,
            {"instances": [[1, "2"]]},
            'JSON Value: "2" Type: String is not of expected type: float',
        ),
        (DIGITS, {"instances": [[1, None]]}, "JSON Value: null Type: Null is not of expected type"),
        (DIGITS, {"instances": [[1e39]]}, "Cannot convert JSON value: 1e+39 to float without loss"),
        (DIGITS, {"instances": [[2**24 + 1]]}, "Cannot convert JSON value: 16777217 to float"),
        (DIGITS, {"instances": [[10**400]]}, "JSON Parse error"),
        (DIGITS, {"instances": [1, {"X": 1}]}, "Expecting value/list but got object at item 1"),
        (
            DIGITS,
            {"instances": [[0.0] * 63]},
            "input 'X' has the shape [1,63], the model wants [-1,64]",
        ),
        (DIGITS, {"inputs": 0.5}, "input 'X' has the shape [], the model wants [-1,64]"),
        (DIGITS, {"inputs": [[1], 2]}, "found at incorrect level: 2 in the JSON DOM"),
        (DIGITS, {"inputs": [[1], [2, 3]]}, "Encountered list at unexpected size: 2 at level: 1"),
        (DIGITS, {"inputs": [1, [2]]}, "Encountered list at unexpected level: 1 expected < 1"),
        ("/v1/models/two:predict", {"instances": [1]}, "expecting list of objects as multiple"),
        ("/v1/models/two:predict", {"instances": [{"a": 1}]}, "keys must be equal to: a,b"),
        (
            "/v1/models/two:predict",
            {"instances": [{"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}]},
            (
                "Failed to process element: 1 key: c of 'instances' list. Error: "
                "INVALID_ARGUMENT: JSON object: does not have named input: c"
            ),
        ),
        (
            "/v1/models/two:predict",
            {"instances": [{"a": 1, "b": 1}, [1]]},
            "Expecting object but got list at item 1 of input list",
        ),
        ("/v1/models/two:predict", {"inputs": {"a": [1]}}, "Missing named input: b in 'inputs'"),
        ("/v1/models/two:predict", {"inputs": [1]}, "inputs is a plain value/list"),
        ("/v1/models/bytes:predict", {"instances": [127, 128]}, "is not of expected type: int8"),
        ("/v1/models/bytes:predict", {"instances": [1.0]}, "is not of expected type: int8"),
        ("/v1/models/words:predict", {"instances": [{"b64": "!"}]}, "Unable to base64 decode"),
        ("/v1/models/words:predict", {"instances": [{"b64": "/w=="}]}, "is not UTF-8"),
        ("/v1/models/words:predict", {"instances": ["a", 1]}, "is not of expected type: string"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(
    served: Runtime, path: str, body: object, said: str
) -> None:
    assert said in refusal(served, path, body)


def test_lists_nested_without_end_are_refused(served: Runtime) -> None:
    body = b'{"instances": ' + b"[" * 500 + b"1" + b"]" * 500 + b"}"
    assert "nested deeper than" in refusal(served, DIGITS, body)


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("POST", "/v1/models/half:predict", 404, "Servable not found for request: Latest(half)"),
        (
            "POST",
            "/v1/models/digits/versions/99:predict",
            404,
            "Servable not found for request: Specific(digits, 99)",
        ),
        ("GET", "/v1/models/half", 404, "Could not find any versions of model half"),
        ("GET", "/v1/models/digits/versions/99", 404, "Could not find version 99 of model digits"),
        ("GET", "/v1/models/half/metadata", 404, "Servable not found for request: Latest(half)"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/", 400, "Malformed request: GET /v1/models/"),
        ("POST", "/v1/models/digits", 400, "Malformed request: POST /v1/models/digits"),
        ("GET", DIGITS, 400, f"Malformed request: GET {DIGITS}"),
        ("POST", "/v1/models/digits:explode", 400, "Malformed request"),
        (
            "POST",
            "/v1/models/digits/labels/canary:predict",
            400,
            "Unrecognized servable version label: canary",
        ),
        (
            "POST",
            "/v1/models/digits/versions/99999999999999999999:predict",
            400,
            "Failed to convert version: 99999999999999999999 to numeric.",
        ),
        ("POST", "/v1/models/digits:classify", 501, "classify is not implemented, use predict"),
    ],
)
def test_a_wrong_path_gets_the_codes_of_the_original(
    served: Runtime, method: str, path: str, status: int, said: str
) -> None:
    response = httpx2.request(method, f"http://127.0.0.1:{served.port}{path}", content=b"{}")
    assert response.status_code == status
    assert said in response.json()["error"]


def test_paths_are_matched_whatever_their_case(served: Runtime) -> None:
    body = {"instances": [[0.5] * 64]}
    assert served.post("/V1/Models/digits/Versions/1:PREDICT", body).status_code == 200


def test_status_and_metadata_have_the_shapes_clients_parse(served: Runtime) -> None:
    wanted = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    assert served.get("/v1/models/digits").json() == {"model_version_status": [wanted]}
    assert served.get("/v1/models/digits/versions/1").json() == {"model_version_status": [wanted]}
    found = served.get("/v1/models/two/versions/1/metadata").json()
    assert found["model_spec"] == {"name": "two", "signature_name": "", "version": "1"}
    call = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert call["method_name"] == "tensorflow/serving/predict"
    assert sorted(call["outputs"]) == ["less", "sum"]
    assert call["inputs"]["a"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "a",
    }


def test_a_body_over_the_limit_is_refused_before_it_is_read(served: Runtime) -> None:
    response = served.post(DIGITS, b"x" * 200_001)
    assert response.status_code == 413
    assert "over 200000 bytes" in response.json()["error"]


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(served: Runtime) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(5):
            yield b"x" * 100_000

    url = f"http://127.0.0.1:{served.port}{DIGITS}"
    with httpx2.Client() as client:
        assert client.post(url, content=endless()).status_code == 413


def test_a_request_past_its_deadline_is_given_up(served: Runtime) -> None:
    body = {"inputs": [[0.0] * 256] * 150}
    response = served.post("/v1/models/slow:predict", body)
    assert response.status_code == 504
    assert response.json() == {"error": "no answer within 1 seconds"}
    assert served.post(DIGITS, {"instances": [[0.5] * 64]}).status_code == 200


def test_metrics_have_the_names_of_tensorflow_serving(served: Runtime) -> None:
    served.post("/v1/models/two:predict", {"instances": [{"a": 1, "b": 0.5}]})
    served.post("/v1/models/two:predict", {})
    page = served.get("/monitoring/prometheus/metrics").text
    assert ':tensorflow:serving:request_count{model_name="two",status="OK"}' in page
    assert ':tensorflow:serving:request_count{model_name="two",status="INVALID_ARGUMENT"}' in page
    assert ":tensorflow:serving:request_latency_bucket{" in page
    own = served.get("/metrics").text
    assert 'plimsoll_requests_total{model="two",status="200",version="1"}' in own
    assert 'plimsoll_verifications_total{model="two",result="verified"} 1.0' in own
    assert 'state="AVAILABLE"' in own


def test_unknown_pages_are_told_so(served: Runtime) -> None:
    response = served.get("/nothing")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"
    assert served.post("/livez").status_code == 404


def test_a_full_queue_turns_requests_away(tmp_path: Path) -> None:
    registry = StandIn()
    with registry.answering():
        published = registry.publish(models.onnx_slow(20_000), model="slow")
        runtime = Runtime(tmp_path, registry, [pin(published)], {"queue": 1})
        with running(runtime):
            runtime.until_state("AVAILABLE")
            body = {"inputs": [[0.0] * 256] * 150}
            with closing(sent(runtime, "/v1/models/slow:predict", body)) as slow:
                codes: list[int] = []

                def turned_away() -> bool:
                    response = runtime.post("/v1/models/slow:predict", {"inputs": [[0.0] * 256]})
                    codes.append(response.status_code)
                    return response.status_code == 429 and response.headers["retry-after"] == "1"

                runtime.until(turned_away)
                assert set(codes) <= {200, 429}
                assert slow.recv(12) == b"HTTP/1.1 200"
