"""A verified version answers on TensorFlow Serving's paths, in its words and with its codes."""

import base64

import numpy as np

from tests.runtime import models
from tests.runtime.process import Runtime, answered, refusal

DIGITS = "/v1/models/digits:predict"


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


def test_paths_are_matched_whatever_their_case(served: Runtime) -> None:
    body = {"instances": [[0.5] * 64]}
    assert served.post("/V1/Models/digits/Versions/1:PREDICT", body).status_code == 200


def test_status_and_metadata_have_the_shapes_clients_parse(served: Runtime) -> None:
    wanted = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    assert served.get("/v1/models/digits").json()["model_version_status"] == [wanted]
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
    assert served.post("/nothing").status_code == 404
