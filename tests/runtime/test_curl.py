"""curl, exactly as TensorFlow Serving's REST guide has it, against a model of every format."""

import gzip
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.core.kinds.trials import Parity, TensorSchema
from reconciler.core.trials import parity, tensorschema
from reconciler.engines.protocol import Endpoint
from reconciler.trials.subject import Target
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn

REGRESS = '{"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": 2.0}]}'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    registry = StandIn()
    *_, half = models.saved_models()
    labelled = models.onnx_digits() | {"labels.txt": b"zero\none\ntwo\nthree\n"}
    with registry.answering():
        published = [
            registry.publish(half, model="half_plus_two", version=123, format="saved_model"),
            registry.publish(models.onnx_half_plus_two(), model="half_onnx", version=123),
            registry.publish(
                models.torch_half_plus_two(), model="half_torch", version=123,
                format="torchscript",
            ),
            registry.publish(labelled),
        ]  # fmt: skip
        runtime = Runtime(tmp_path_factory.mktemp("curl"), registry)
        runtime.models = [pin(one) for one in published]
        runtime.more = {
            "kserveV1": False,
            "policies": {"half_plus_two": {"labels": {"stable": 123}}},
        }
        with running(runtime):
            runtime.until(lambda: runtime.get("/readyz").status_code == 200, seconds=90)
            yield runtime


def curl(served: Runtime, *arguments: str) -> Any:
    """What it prints; the arguments are the documentation's, but for the port."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error",
         *(one.replace("localhost:8501", f"127.0.0.1:{served.port}") for one in arguments)],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.decode()


def test_status_and_metadata(served: Runtime) -> None:
    found = json.loads(curl(served, "http://localhost:8501/v1/models/half_plus_two"))
    assert found == {
        "model_version_status": [
            {"version": "123", "state": "AVAILABLE",
             "status": {"error_code": "OK", "error_message": ""}}
        ]
    }  # fmt: skip
    said = json.loads(curl(served, "http://localhost:8501/v1/models/half_plus_two/metadata"))
    signatures = said["metadata"]["signature_def"]["signature_def"]
    assert signatures["classify_x_to_y"]["method_name"] == "tensorflow/serving/classify"
    assert signatures["regress_x_to_y"]["inputs"]["inputs"]["dtype"] == "DT_STRING"


@pytest.mark.parametrize("model", ["half_plus_two", "half_onnx", "half_torch"])
def test_predict_in_rows_and_in_columns(served: Runtime, model: str) -> None:
    url = f"http://localhost:8501/v1/models/{model}:predict"
    found = curl(served, "-d", '{"instances": [1.0, 2.0, 5.0]}', "-X", "POST", url)
    assert json.loads(found) == {"predictions": [2.5, 3.0, 4.5]}
    found = curl(served, "-d", '{"inputs": [[1.0], [2.0]]}', "-X", "POST", url)
    assert json.loads(found) == {"outputs": [[2.5], [3.0]]}


def test_a_candidate_of_another_format_is_held_to_parity_with_the_one_that_serves(
    served: Runtime,
) -> None:
    """What acceptance tests ask of a runtime, on formats that it really loads."""
    saved, onnx = (
        Target(model, 123, Endpoint(f"http://127.0.0.1:{served.port}", {}), "sha256:" + "0" * 64)
        for model in ("half_plus_two", "half_onnx")
    )
    spec = Parity.model_validate({"with": "serving"})
    asked = [
        *([value] for value in (0.0, 1.0, 5.0)),
        *parity.drawn([[-9.0], [9.0]], count=64, seed=1),
    ]
    mine, theirs = onnx.answers(asked), saved.answers(asked)
    found = parity.compared(mine, theirs, spec, output=None)
    assert (found.samples, parity.shortfalls(spec, found)) == (67, ())
    shifted = saved.answers([[0.01], *asked[1:]])
    assert parity.compared(mine, shifted, spec, output=None).different == 1
    with onnx.speaking() as one, saved.speaking() as other:
        signatures = [
            tensorschema.signatures(probe.metadata(target.model, 123))
            for probe, target in ((one, onnx), (other, saved))
        ]
    broken = tensorschema.compared(TensorSchema(), signatures[0], serving=signatures[1]).breaks
    assert "signature 'regress_x_to_y' is gone: clients that name it fail" in broken
    assert (
        "output 'y' is gone, which clients of the serving version read (is it 'scores' by another "
        "name?)"
    ) in broken


@pytest.mark.parametrize("where", ["", "/versions/123", "/labels/stable"])
def test_regress_and_classify_by_version_and_label(served: Runtime, where: str) -> None:
    model = f"http://localhost:8501/v1/models/half_plus_two{where}"
    found = curl(served, "-d", REGRESS, "-X", "POST", f"{model}:regress")
    assert found == '{"results":[2.5,3.0]}'
    body = '{"signature_name": "classify_x_to_y", "context": {"x": 2.0}, "examples": [{}]}'
    assert curl(served, "-d", body, f"{model}:classify") == '{"results":[[["",3.0]]]}'
    body = '{"signature_name": "named", "examples": [{"x": 1.0, "name": {"b64": "YQ=="}}]}'
    assert curl(served, "-d", body, f"{model}:Classify") == '{"results":[[["a",2.5]]]}'


@pytest.mark.parametrize("model", ["half_onnx", "half_torch"])
def test_other_formats_are_asked_by_their_outputs(served: Runtime, model: str) -> None:
    url = f"http://localhost:8501/v1/models/{model}"
    body = '{"examples": [{"x": 1}, {"x": 2.0}]}'
    assert curl(served, "-d", body, f"{url}:regress") == '{"results":[2.5,3.0]}'
    found = curl(served, "-d", body, f"{url}:classify")
    assert found == '{"results":[[["0",2.5]],[["0",3.0]]]}'


def test_classes_are_named_by_the_versions_labels(served: Runtime) -> None:
    body = json.dumps({"examples": [{"X": [0.5] * 64}]})
    url = "http://localhost:8501/v1/models/digits:classify"
    (row,) = json.loads(curl(served, "-d", body, url))["results"]
    assert [label for label, _ in row[:5]] == ["zero", "one", "two", "three", "4"]
    assert sum(score for _, score in row) == pytest.approx(1)


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("half:predict", '{"instances": [1.0,5.0]}', 404,
         "Servable not found for request: Latest(half)"),
        ("half_plus_two/versions/9:regress", REGRESS, 404,
         "Servable not found for request: Specific(half_plus_two, 9)"),
        ("half_plus_two/labels/no:regress", REGRESS, 400,
         "Unrecognized servable version label: no"),
        ("half_plus_two:regress", '{"examples": [{"x": 1.0}]}', 400,
         ("Expected regression signature method_name to be tensorflow/serving/regress. "
         "Was: tensorflow/serving/predict")),
        ("half_plus_two:classify", REGRESS, 400,
         ("Expected classification signature method_name to be tensorflow/serving/classify. "
         "Was: tensorflow/serving/regress")),
        ("half_plus_two:regress", '{"signature_name": "no", "examples": [{"x": 1.0}]}', 400,
         "No signature was found with the name: no"),
        ("half_plus_two:regress", '{"signature_name": "regress_x_to_y", "examples": [{}]}', 400,
         "Feature: x (data type: float) is required but could not be found."),
        ("half_onnx:regress", '{"examples": [{"y": 1}]}', 400, "Example 0 has no feature 'x'"),
        ("digits:regress", '{"examples": [{"X": 1}]}', 400,
         ("No regression outputs found in SignatureDef: serving_default gives label (int64, [?]), "
         "probabilities (float32, [?,10])")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_as_there(
    served: Runtime, path: str, body: str, status: int, said: str
) -> None:
    url = f"http://localhost:8501/v1/models/{path}"
    found = curl(served, "-i", "-d", body, "-X", "POST", url)
    head, _, content = found.partition("\r\n\r\n")
    assert f" {status} " in head.splitlines()[0]
    assert said in json.loads(content)["error"]


def test_bodies_and_answers_may_be_packed(served: Runtime, tmp_path: Any) -> None:
    packed = tmp_path / "body.gz"
    packed.write_bytes(gzip.compress(json.dumps({"instances": [[1.0]] * 500}).encode()))
    found = curl(
        served, "-i", "--compressed", "-H", "Content-Encoding: gzip", "--data-binary",
        f"@{packed}", "http://localhost:8501/v1/models/half_plus_two:predict",
    )  # fmt: skip
    head, _, content = found.partition("\r\n\r\n")
    assert "content-encoding: gzip" in head.lower()
    assert json.loads(content) == {"predictions": [[2.5]] * 500}


def test_the_page_of_metrics_has_what_was_asked(served: Runtime) -> None:
    url = "http://localhost:8501/v1/models/half_plus_two:regress"
    curl(served, "-d", REGRESS, "-X", "POST", url)
    page = curl(served, "http://localhost:8501/monitoring/prometheus/metrics")
    labels = '{API="Regress",entrypoint="REST",model_name="half_plus_two"}'
    assert f":tensorflow:serving:request_latency_count{labels}" in page
    labels = '{API="Regress",model_name="half_plus_two",runtime="saved_model"}'
    assert f":tensorflow:serving:runtime_latency_count{labels}" in page
    assert ':tensorflow:serving:request_example_counts_sum{model="half_plus_two"}' in page
    assert "\n:tensorflow:serving:batching_session:wrapped_run_count 0.0" in page
