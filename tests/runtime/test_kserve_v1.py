"""KServe's V1 protocol beside TensorFlow Serving's on the same paths."""

from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn


def test_the_status_of_a_model_has_the_keys_of_both(served: Runtime) -> None:
    found = served.get("/v1/models/two").json()
    assert (found["name"], found["ready"]) == ("two", True)
    assert found["model_version_status"][0]["state"] == "AVAILABLE"


def test_the_status_of_one_version_is_tensorflow_servings_alone(served: Runtime) -> None:
    assert served.get("/v1/models/two/versions/1").json().keys() == {"model_version_status"}


def test_all_models_are_listed(served: Runtime) -> None:
    assert "two" in served.get("/v1/models").json()["models"]


def test_the_server_says_that_it_is_alive(served: Runtime) -> None:
    assert served.get("/").json() == {"status": "alive"}


def test_an_explanation_is_where_kserves_samples_read_it(served: Runtime) -> None:
    parameters = {"output": "sum", "budget_ms": 50_000}
    body = {"instances": [{"a": 3.0, "b": 1.0}], "parameters": parameters}
    response = served.post("/v1/models/two:explain", body)
    (one,) = response.json()["explanations"]
    assert one["attributions"] == {"a": 3.0, "b": 1.0}


def test_where_it_is_turned_off_tensorflow_serving_is_followed_to_the_letter(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_two_inputs(), model="two"))]
    runtime.more = {"kserveV1": False}
    with running(runtime):
        runtime.until_state("AVAILABLE")
        status = {"error_code": "OK", "error_message": ""}
        assert runtime.get("/v1/models/two").json() == {
            "model_version_status": [{"version": "1", "state": "AVAILABLE", "status": status}]
        }
        assert runtime.get("/v1/models").json() == {"error": "Missing model name in request."}
        response = runtime.post("/v1/models/two:explain", {})
        assert response.json() == {"error": "Malformed request: POST /v1/models/two:explain"}
        assert runtime.get("/").status_code == 404
