"""The Open Inference Protocol on /v2/ of a running runtime: routes, codes, codings."""

import gzip
import json
import zlib
from typing import Any

import httpx2
import numpy as np
import pytest

from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn

TWO = "/v2/models/two/infer"


def tensor(name: str, data: list[object], datatype: str = "FP32") -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


def two(**more: object) -> dict[str, Any]:
    return {"inputs": [tensor("a", [1, 3]), tensor("b", [0.5, 2])], **more}


def error(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


def call(runtime: Runtime, method: str, path: str) -> httpx2.Response:
    return httpx2.request(method, f"http://127.0.0.1:{runtime.port}{path}", timeout=60)


def test_a_request_is_answered_with_its_id_and_the_version_that_answered(served: Runtime) -> None:
    response = served.post(TWO, two(id="mine"))
    assert response.json() == {
        "model_name": "two", "model_version": "1", "id": "mine",
        "outputs": [
            {"name": "sum", "datatype": "FP32", "shape": [2], "data": [1.5, 5.0]},
            {"name": "less", "datatype": "FP32", "shape": [2], "data": [0.5, 1.0]},
        ],
    }  # fmt: skip
    assert response.headers["content-type"] == "application/json"
    assert response.headers["plimsoll-version"] == "1"


def test_only_what_was_asked_for_is_answered(served: Runtime) -> None:
    body = two(outputs=[{"name": "less"}])
    assert [one["name"] for one in served.post(TWO, body).json()["outputs"]] == ["less"]


def test_one_output_may_be_binary_beside_another_in_json(served: Runtime) -> None:
    wanted = [{"name": "sum", "parameters": {"binary_data": True}}, {"name": "less"}]
    response = served.post(TWO, two(outputs=wanted))
    size = int(response.headers["inference-header-content-length"])
    said = json.loads(response.content[:size])["outputs"]
    assert said[0]["parameters"] == {"binary_data_size": 8}
    assert said[1]["data"] == [0.5, 1.0]
    assert np.frombuffer(response.content[size:], np.float32).tolist() == [1.5, 5.0]
    assert response.headers["content-type"] == "application/octet-stream"


def test_a_body_may_be_one_tensor_and_nothing_else(served: Runtime) -> None:
    tail = np.arange(3, dtype=np.int8).tobytes()
    response = served.post(
        "/v2/models/bytes/infer", tail, headers={"inference-header-content-length": "0"}
    )
    size = int(response.headers["inference-header-content-length"])
    assert json.loads(response.content[:size])["outputs"][0]["shape"] == [3]
    assert response.content[size:] == tail


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
    ],
)
def test_bodies_come_and_go_packed(served: Runtime, coding: str, pack: Any) -> None:
    numbers = [float(number) for number in range(400)]
    body = {"inputs": [tensor("a", numbers), tensor("b", numbers)]}  # type: ignore[arg-type]
    headers = {"content-encoding": coding, "accept-encoding": coding}
    response = served.post(TWO, pack(json.dumps(body).encode()), headers=headers)
    assert response.headers["content-encoding"] == coding
    assert response.headers["vary"] == "accept-encoding"
    assert response.json()["outputs"][0]["data"][:3] == [0.0, 2.0, 4.0]


def test_a_small_answer_an_error_and_metadata_stay_unpacked(served: Runtime) -> None:
    for response in (
        served.post(TWO, two()),
        served.post(TWO, {"inputs": [{"name": "x" * 3000}]}),
        served.get("/v2/models/two"),
    ):
        assert "content-encoding" not in response.headers


_PACKED = {
    "a bomb": (gzip.compress(bytes(10_000_000)), "gzip", 413, "over 200000 bytes when unpacked"),
    "no gzip": (b"abc", "gzip", 400, "the body is not gzip"),
    "cut off": (gzip.compress(b"{}")[:-5], "gzip", 400, "the body's gzip ends too early"),
    "something behind": (gzip.compress(b"{}") * 2, "gzip", 400, "goes on behind the end"),
    "another coding": (b"abc", "br", 400, "the Content-Encoding 'br' is not known here"),
    "two codings": (b"abc", "gzip, gzip", 400, "the Content-Encoding 'gzip, gzip' is not known"),
}


@pytest.mark.parametrize("flaw", _PACKED)
def test_a_body_that_is_packed_wrong_is_refused(served: Runtime, flaw: str) -> None:
    body, coding, status, said = _PACKED[flaw]
    found = error(served.post(TWO, body, headers={"content-encoding": coding}))
    assert found[0] == status
    assert said in found[1]


def test_a_head_longer_than_the_body_is_refused(served: Runtime) -> None:
    for length in ("3", "-1", "abc", "9" * 40):
        found = error(served.post(TWO, b"{}", headers={"inference-header-content-length": length}))
        assert found[0] == 400
        assert found[1].startswith("Inference-Header-Content-Length is ")


def test_unknown_models_and_versions_are_told_in_tritons_words(served: Runtime) -> None:
    unknown = {
        "/v2/models/nobody": "Request for unknown model: 'nobody' is not found",
        "/v2/models/nobody/ready": "Request for unknown model: 'nobody' is not found",
        "/v2/models/two/versions/7": "Request for unknown model: 'two' version 7 is not found",
    }
    for path, said in unknown.items():
        assert error(served.get(path)) == (404, said)
    assert error(served.post("/v2/models/two/versions/7/infer", two()))[0] == 404
    assert error(served.post(f"/v2/models/two/versions/{'9' * 99}/infer", two()))[0] == 404


def test_a_version_may_be_named(served: Runtime) -> None:
    assert served.post("/v2/models/two/versions/1/infer", two()).status_code == 200
    assert served.get("/v2/models/two/versions/1").json()["versions"] == ["1"]
    assert served.get("/v2/models/two/versions/1/ready").json() == {"name": "two", "ready": True}


def test_every_inference_is_counted_with_its_status(served: Runtime) -> None:
    def counted(status: int) -> float:
        wanted = f'plimsoll_requests_total{{model="two",status="{status}",version="1"}} '
        lines = served.get("/metrics").text.splitlines()
        return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))

    before = counted(200), counted(400)
    served.post(TWO, two())
    served.post(TWO, {"inputs": []})
    assert (counted(200), counted(400)) == (before[0] + 1, before[1] + 1)


def test_metadata_describes_the_tensors(served: Runtime) -> None:
    assert served.get("/v2/models/digits").json() == {
        "name": "digits", "versions": ["1"], "platform": "onnx_onnxv1",
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, 64]}],
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
        ],
    }  # fmt: skip


def test_the_configuration_is_tritons(served: Runtime) -> None:
    found = served.get("/v2/models/two/config").json()
    assert found["platform"] == "onnxruntime_onnx"
    assert found["max_batch_size"] == 0
    assert found["input"][0] == {
        "name": "a", "data_type": "TYPE_FP32", "dims": [-1], "format": "FORMAT_NONE",
    }  # fmt: skip
    assert served.get("/v2/models/words/config").json()["input"][0]["data_type"] == "TYPE_STRING"


def test_statistics_are_by_version(served: Runtime) -> None:
    served.post(TWO, two())
    (found,) = served.get("/v2/models/two/stats").json()["model_stats"]
    assert served.get("/v2/models/two/versions/1/stats").json()["model_stats"] == [found]
    assert found["inference_count"] >= found["execution_count"] > 0
    assert found["inference_stats"]["success"]["count"] > 0
    assert found["inference_stats"]["compute_infer"]["ns"] > 0
    assert "two" in {one["name"] for one in served.get("/v2/models/stats").json()["model_stats"]}


def test_the_repository_is_listed_and_not_changed_by_clients(served: Runtime) -> None:
    listed = served.post("/v2/repository/index", b"").json()
    assert {"name": "two", "version": "1", "state": "READY", "reason": ""} in listed
    for act in ("load", "unload"):
        status, said = error(served.post(f"/v2/repository/models/two/{act}", b"{}"))
        assert status == 403
        assert said.startswith(f"failed to {act} 'two': what runs here is declared")
    assert error(served.post("/v2/repository/index", b"{"))[0] == 400


def test_wrong_verbs_and_unknown_paths_are_told_apart(served: Runtime) -> None:
    for method, path in (
        ("GET", TWO), ("PUT", TWO), ("POST", "/v2"), ("DELETE", "/v2/models/two"),
        ("POST", "/v2/health/live"), ("GET", "/v2/repository/index"),
    ):  # fmt: skip
        assert error(call(served, method, path))[0] == 405, path
    for path in (
        "/v2/nothing", "/v2/models/", "/v2/models/two/nothing", "/v2/models/two/versions/x",
        "/v2/models/two/versions/-1", "/v2/health", "/v2//models", "/v2/models/two/versions/1/2",
    ):  # fmt: skip
        assert error(call(served, "GET", path))[0] == 404, path


def test_what_triton_has_and_we_do_not_is_said_so(served: Runtime) -> None:
    for path in (
        "/v2/trace/setting", "/v2/models/two/trace/setting", "/v2/logging",
        "/v2/systemsharedmemory/status", "/v2/cudasharedmemory/region/a/status",
        "/v2/models/two/generate",
    ):  # fmt: skip
        status, said = error(served.get(path))
        assert status == 501, path
        assert said.endswith(" here")


def test_classes_are_named_by_the_versions_own_file(runtime: Runtime, registry: StandIn) -> None:
    names = "\n".join(f"digit-{number}" for number in range(10))
    contents = {**models.onnx_digits(), "labels.txt": names.encode()}
    runtime.models = [pin(registry.publish(contents))]
    with running(runtime):
        runtime.until(lambda: runtime.get("/v2/health/ready").status_code == 200)
        images, truth = models.digits()
        body = {
            "inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 64],
                        "data": images[0].tolist()}],
            "outputs": [{"name": "probabilities", "parameters": {"classification": 1}}],
        }  # fmt: skip
        best = runtime.post("/v2/models/digits/infer", body).json()["outputs"][0]["data"][0]
        assert best.endswith(f":{truth[0]}:digit-{truth[0]}")


def test_a_model_on_its_way_is_not_ready_rather_than_unknown(
    runtime: Runtime, registry: StandIn
) -> None:
    published = registry.publish(models.onnx_two_inputs(), model="two")
    registry.hold_after = 10
    runtime.models = [pin(published)]
    with running(runtime):
        response = runtime.get("/v2/health/ready")
        assert (response.status_code, response.json()) == (503, {"ready": False})
        status, said = error(runtime.get("/v2/models/two/ready"))
        assert status == 503
        assert said.startswith("Request for unknown model: 'two' is not at ready state")
        registry.release()
