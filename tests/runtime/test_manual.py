"""Triton's load and unload on a host in process mode, and nowhere without its token."""

from tests.runtime import models
from tests.runtime.process import CONTROL_TOKEN, Runtime, pin, running
from tests.runtime.stand_in import StandIn

REPOSITORY = "/v2/repository/models"
TOKEN = {"authorization": f"Bearer {CONTROL_TOKEN}"}


def test_a_model_goes_and_comes_back_and_stays_what_was_pinned(
    runtime: Runtime, registry: StandIn
) -> None:
    contents = models.onnx_two_inputs()
    published = [registry.publish(contents, model="two", version=number) for number in (1, 2)]
    runtime.models = [pin(one, active=one.version == 1) for one in published]
    with running(runtime):
        runtime.until(lambda: runtime.get("/v2/health/ready").status_code == 200)
        assert runtime.post(f"{REPOSITORY}/two/unload", b"", headers=TOKEN).status_code == 200
        assert runtime.get("/v2/models/two/ready").status_code == 404
        assert runtime.post(f"{REPOSITORY}/two/load", b"", headers=TOKEN).status_code == 200
        assert runtime.get("/v2/models/two").json()["versions"] == ["2"]
        assert runtime.post(f"{REPOSITORY}/two/load", b"{}", headers=TOKEN).status_code == 200


def test_a_model_that_cannot_be_loaded_says_why(runtime: Runtime, registry: StandIn) -> None:
    published = registry.publish({"model.onnx": b"no model"}, model="two")
    runtime.models = [pin(published)]
    with running(runtime):
        runtime.until_state("REFUSED")
        response = runtime.post(f"{REPOSITORY}/two/load", b"", headers=TOKEN)
        assert response.status_code == 409
        assert response.json()["error"].startswith("failed to load 'two': version 1: ")


def test_nothing_is_loaded_that_nobody_pinned_or_without_the_token(served: Runtime) -> None:
    wrong = {"authorization": "Bearer wrong"}
    for headers, body, status, said in (
        (wrong, b"", 401, "the control token is missing or wrong"),
        (TOKEN, b"", 404, "failed to load 'nobody': no version of it is pinned here"),
        (TOKEN, b"{", 400, "failed to parse the request JSON buffer"),
        (TOKEN, b'{"parameters":{"file:1/model.onnx":"AA=="}}', 400, "failed to load 'nobody'"),
    ):
        response = served.post(f"{REPOSITORY}/nobody/load", body, headers=headers)
        assert response.status_code == status
        assert response.json()["error"].startswith(said)
    assert served.post(f"{REPOSITORY}/nobody/explode", b"", headers=TOKEN).status_code == 404
