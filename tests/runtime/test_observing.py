"""What is kept of inferences: sketches, recent answers, the request log, spans."""

import json
import math
import re
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import errors, spans
from registry.core.canonical import Json
from runtime import observation
from runtime.backends import bfloat16
from runtime.backends.protocol import Array, objects
from runtime.config import Pin
from runtime.inference.asked import Asked, Outcome, Times
from runtime.metrics import Metrics
from runtime.observation import Declared, RequestLog, Traces
from runtime.observing import current, sketch
from runtime.observing.observatory import Observatory
from runtime.observing.sketch import Sketch
from runtime.observing.summary import summarised
from runtime.table import Table
from tests.registry.test_observing import collecting
from tests.runtime import models
from tests.runtime.process import CONTROL_TOKEN, ROOT, Runtime, pin, running
from tests.runtime.stand_in import StandIn
from tests.runtime.test_control import BODY, DIGITS

PIN = Pin("m", 7, "sha256:" + "7" * 64, "onnx", active=True)
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01".encode()


def asked(**inputs: Array) -> Asked:
    return Asked("serving_default", inputs)


def outcome(**outputs: Array) -> Outcome:
    return Outcome(outputs, Times(2_000, 1_000, 5_000, 0), batch=4)


def _versions(page: dict[str, Json]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(json.dumps(page))["versions"]
    return found


def observe(observatory: Observatory, x: Array, y: Array, request_id: str = "") -> None:
    current.begin({b"x-request-id": request_id.encode()} if request_id else {})
    observatory.of(PIN).inferred(asked(x=x), outcome(y=y))


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e5])
def test_quantiles_are_within_half_a_bucket(scale: float) -> None:
    values = np.random.default_rng(1).lognormal(size=1024) * scale
    found = Sketch()
    found.add(values)
    for share in (0.01, 0.25, 0.5, 0.75, 0.99):
        exact = float(np.sort(values)[int(share * values.size)])
        quantile = found.quantile(share)
        assert quantile is not None
        assert abs(quantile / exact - 1) < 0.0225


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), min_size=1, max_size=6))
def test_merged_sketches_are_the_sketch_of_everything(parts: list[list[float]]) -> None:
    merged, whole = Sketch(), Sketch()
    for part in parts:
        one = Sketch()
        one.add(np.array(part))
        merged.merge(sketch.read(json.loads(json.dumps(one.document()))))
        whole.add(np.array(part))
    assert merged.count == whole.count
    assert (merged.low, merged.high) == (whole.low, whole.high)
    assert merged.buckets.tolist() == whole.buckets.tolist()
    assert merged.mean == pytest.approx(whole.mean, abs=1e-6)
    assert merged.m2 == pytest.approx(whole.m2, rel=1e-6, abs=1e-3)
    every = np.concatenate([np.array(part) for part in parts])
    assert whole.mean == pytest.approx(float(every.mean()), abs=1e-6)
    assert whole.m2 / whole.count == pytest.approx(float(every.var()), rel=1e-6, abs=1e-3)


@pytest.mark.parametrize(
    "array",
    [
        np.array([]),
        np.array(3),
        np.array([[True, False]]),
        np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e-308]),
        np.array([2**63 - 1, -(2**63)]),
        np.array([65504], dtype=np.float16),
        bfloat16.narrowed(np.array([1.5, np.nan], dtype=np.float32)),
        objects([b"", b"\xff\x00" * 9], (2, 1)),
        np.zeros((3, 100_000), dtype=np.float32),
    ],
)
def test_any_tensor_can_be_sketched_and_summed_up(array: Array) -> None:
    found = Sketch()
    found.add(array)
    document = json.loads(json.dumps(found.document(), allow_nan=False))
    assert document["count"] + document["notFinite"] <= max(array.size, 1)
    assert sum(count for _, count in document["buckets"]) == document["count"]
    json.dumps(summarised(array), allow_nan=False)


def test_the_ring_has_the_last_answers_of_whom_named_them() -> None:
    observatory = Observatory(Declared(recent=2), host="edge-1")
    for number in range(4):
        observe(observatory, np.ones(1), np.array([0.0, float(number)]), f"r{number}")
    observe(observatory, np.ones(1), np.ones(1))
    (version,) = _versions(observatory.recent(""))
    assert [one["id"] for one in version["answers"]] == ["r3", "r2"]
    (answer,) = _versions(observatory.recent("r3"))[0]["answers"]
    y = answer["outputs"]["y"]
    assert (y["dtype"], y["shape"], y["max"], y["argmax"]) == ("float64", [2], 3.0, 1)
    observatory.forget(PIN)
    assert observatory.recent("") == {"versions": []}


def test_requests_without_an_id_are_kept_with_their_inputs_while_somebody_compares() -> None:
    observatory = Observatory(Declared(recent=9), host="edge-1")
    observe(observatory, np.ones(1), np.ones(1))
    assert _versions(observatory.recent("", match_seconds=60))[0]["answers"] == []
    batch = np.arange(4.0).reshape(2, 2)
    observe(observatory, batch[:1], np.array([1.0, math.nan]))
    observe(observatory, batch[:1].copy(), np.ones(1), "r1")
    observe(observatory, batch[1:], np.ones(1))
    observe(observatory, batch[:1].astype(np.float32), np.ones(1))
    observe(observatory, np.zeros(4096), np.ones(1))
    observe(observatory, np.zeros(4096), np.ones(1), "large")
    (version,) = _versions(observatory.recent("", values=True, match_seconds=-1))
    found = version["answers"][::-1]
    assert [one["number"] for one in found] == [1, 2, 3, 4, 5, 6]
    digests = [one.get("inputs") for one in found]
    assert digests[0] == digests[1]
    assert len(set(digests[1:4])) == 3
    assert digests[4:] == [None, None]
    assert found[0]["outputs"]["y"]["values"] == [1.0, None]
    observe(observatory, np.ones(1), np.ones(1))
    (version,) = _versions(observatory.recent("", values=False))
    assert len(version["answers"]) == 6
    assert "values" not in version["answers"][0]["outputs"]["y"]


def test_equal_answers_have_equal_digests_whatever_batch_they_came_from() -> None:
    observatory = Observatory(Declared(), host="edge-1")
    batch = np.arange(12.0).reshape(6, 2)
    observe(observatory, np.ones(1), batch[1:2], "a")
    observe(observatory, np.ones(1), batch[1:2].copy(), "b")
    observe(observatory, np.ones(1), batch[2:3], "c")
    (version,) = _versions(observatory.recent(""))
    c, b, a = (one["outputs"]["y"]["sha256"] for one in version["answers"])
    assert a == b != c


def test_the_ring_keeps_no_batch_and_no_big_answer_alive() -> None:
    observatory = Observatory(Declared(recent=64, sketches_per_second=0), host="edge-1")
    tracemalloc.start()
    try:
        for number in range(64):
            batch = np.zeros((1000, 256), dtype=np.float32)
            observe(
                observatory,
                batch,
                batch[number : number + 1] if number % 2 else batch,
                f"r{number}",
            )
        del batch
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


def test_so_many_a_second_are_sketched_and_no_more() -> None:
    observatory = Observatory(Declared(sketches_per_second=1), host="edge-1")
    began = time.monotonic()
    for _ in range(50):
        observe(observatory, np.ones(3), np.zeros(2))
    (version,) = _versions(observatory.sketches())
    assert 1 <= version["seen"] <= 1 + (time.monotonic() - began)
    assert version["inputs"]["x"]["count"] == 3 * version["seen"]


def test_a_defect_in_observing_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    observatory = Observatory(Declared(), host="edge-1")
    broken: Any = "no array"
    for _ in range(2):
        observe(observatory, broken, np.ones(1))
    assert [record.getMessage() for record in caplog.records] == ["not observed any more"]


def written(path: Path, lines: int) -> list[dict[str, Any]]:
    """So many at least, all that are whole; it may be turned over meanwhile."""
    end = time.monotonic() + 60
    found: list[str] = []
    while time.monotonic() < end:
        with suppress(FileNotFoundError):
            found = path.read_text().split("\n")[:-1]
        if len(found) >= lines:
            return [json.loads(line) for line in found]
        time.sleep(0.01)
    raise AssertionError(f"{path} has {len(found)} lines")


def test_the_request_log_is_cloud_events_without_a_word_of_text(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "requests", 1.0, strings=frozenset({"open"}))
    observatory = Observatory(Declared(request_log=log), host="edge-1")
    text = objects([b"my secret", b"\xff"], (2,))
    current.begin({b"traceparent": PARENT})
    observatory.of(PIN).inferred(asked(hidden=text, open=text), outcome(y=np.array([1.0, 3.0])))
    request, response = written(log.file, 2)
    assert request["type"] == "org.kubeflow.serving.inference.request"
    assert response["type"] == "org.kubeflow.serving.inference.response"
    assert (request["specversion"], request["source"]) == ("1.0", "plimsoll://edge-1/m/7")
    assert request["id"] == response["id"] == TRACE
    assert request["traceparent"] == PARENT.decode()
    hidden = request["data"]["tensors"]["hidden"]
    assert hidden == {"dtype": "string", "shape": [2], "bytes": {"min": 1, "max": 9}}
    assert request["data"]["tensors"]["open"]["text"] == ["my secret", "\ufffd"]
    assert response["data"]["tensors"]["y"]["mean"] == 2.0
    assert response["data"]["computeNs"] == 5_000
    assert log.file.stat().st_mode & 0o077 == 0


def test_a_failure_is_logged_by_its_code_alone(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "requests", 1.0)
    observatory = Observatory(Declared(request_log=log), host="edge-1")
    current.begin({})
    failure = errors.InvalidInput("'my secret' is not a number")
    observatory.of(PIN).failed(asked(x=np.ones(1)), failure)
    (request,) = written(log.file, 1)
    assert request["data"]["error"] == "invalid_input"
    assert "secret" not in log.file.read_text()


def test_a_log_that_is_full_is_turned_over_once(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "requests", 1.0, max_bytes=4096)
    observatory = Observatory(Declared(request_log=log), host="edge-1")
    for _ in range(100):
        observe(observatory, np.ones(1), np.ones(1))
    observe(observatory, np.ones(1), np.ones(1), "the-last")
    end = time.monotonic() + 60
    while written(log.file, 1)[-1]["id"] != "the-last":
        assert time.monotonic() < end
    assert {path.name for path in tmp_path.iterdir()} == {"requests", "requests.1"}
    assert all(path.stat().st_size <= 4096 for path in tmp_path.iterdir())


def test_a_log_that_cannot_be_written_costs_no_answer(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "missing" / "requests", 1.0)
    observatory = Observatory(Declared(request_log=log), host="edge-1")
    for _ in range(1500):
        observe(observatory, np.ones(1), np.ones(1))
    (version,) = _versions(observatory.sketches())
    assert version["seen"] >= 1


def test_a_sample_is_a_share_of_all(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "requests", 0.0)
    observatory = Observatory(Declared(request_log=log, sketches_per_second=0), host="edge-1")
    for _ in range(200):
        observe(observatory, np.ones(1), np.ones(1))
    assert not log.file.exists()


def test_spans_go_below_the_callers_and_say_where_the_time_went(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for seconds in ("_SEND_S", "_LAST_S"):
        monkeypatch.setattr(spans, seconds, 60)
    with collecting() as collector:
        observatory = Observatory(Declared(traces=Traces(collector.address)), host="edge-1")
        current.begin({b"traceparent": PARENT})
        observatory.of(PIN).inferred(asked(x=np.ones(1)), outcome(y=np.ones(1)))
        observatory.of(PIN).failed(asked(x=np.ones(1)), errors.Busy("full"))
        current.begin({b"traceparent": PARENT[:-2] + b"00"})
        observatory.of(PIN).inferred(asked(x=np.ones(1)), outcome(y=np.ones(1)))
        current.begin({})
        observatory.of(PIN).inferred(asked(x=np.ones(1)), outcome(y=np.ones(1)))
        observatory.close()
    assert collector.services == {"plimsoll-runtime"}
    whole, failed = collector.named("infer")
    assert {whole.trace_id.hex(), failed.trace_id.hex()} == {TRACE}
    assert whole.parent_span_id.hex() == "b7ad6b7169203331"
    assert whole.end_time_unix_nano - whole.start_time_unix_nano == 8_000
    spent = {
        name: span.end_time_unix_nano - span.start_time_unix_nano
        for name in ("queue", "batch", "compute")
        for span in collector.named(name)
        if span.parent_span_id == whole.span_id
    }
    assert spent == {"queue": 2_000, "batch": 1_000, "compute": 5_000}


@pytest.mark.parametrize(
    "headers",
    [
        {b"traceparent": b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01"},
        {b"traceparent": b"00-" + TRACE.encode() + b"-" + b"0" * 16 + b"-01"},
        {b"traceparent": PARENT + b"\n"},
        {b"traceparent": b"\xff" * 55},
        {b"x-request-id": b"two words"},
        {b"x-request-id": b"x" * 129},
        {b"x-request-id": b"\r\nset-cookie: a=b"},
    ],
)
def test_an_id_or_a_trace_that_is_none_is_left_out(headers: dict[bytes, bytes]) -> None:
    current.begin(headers)
    assert current.current() == current.Current()


def test_the_header_names_a_request_before_its_body_does() -> None:
    current.begin({b"x-request-id": b"a"})
    current.named("b")
    assert current.current().id == "a"
    current.begin({})
    current.named("b")
    assert current.current().id == "b"
    current.begin({})
    current.named("b\n")
    assert current.current().id == ""


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"sketches": 1}, "unknown field 'sketches'"),
        ({"recent": -1}, "'recent' is -1"),
        ({"recent": 1_000_000}, "'recent' is 1000000"),
        ({"requestLog": {"file": "f", "rate": 2}}, "'rate' is 2"),
        ({"requestLog": {"file": "f"}}, "'rate' is None"),
        ({"requestLog": {"rate": 1}}, "'file'"),
        ({"requestLog": {"file": "f", "rate": 1, "maxBytes": 1}}, "'maxBytes' is 1"),
        ({"requestLog": {"file": "f", "rate": 1, "strings": [1]}}, "must be a tensor's name"),
        ({"traces": {"endpoint": "collector:4318"}}, "'endpoint' is 'collector:4318'"),
        ({"traces": {"endpoint": "http://c", "rate": True}}, "'rate' is True"),
    ],
)
def test_a_bad_declaration_is_told_what_is_wrong(given_: dict[str, Json], said: str) -> None:
    with pytest.raises(errors.InvalidInput, match="here: observing") as caught:
        observation.read({"observing": given_}, what="here")
    assert said in caught.value.detail


def test_a_declaration_is_read_as_it_was_written(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "requests", 0.01, 1 << 20, frozenset({"word"}))
    found = Declared(5, 10, log, Traces("http://collector:4318", 0.5))
    assert observation.read({"observing": found.document()}, what="here") == found


@pytest.fixture
def without_the_sdk() -> Iterator[None]:
    names = [name for name in sys.modules if name.startswith("opentelemetry")]
    names += ["runtime.observing.spans", "registry.spans"]
    kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.modules["opentelemetry.exporter"] = None  # type: ignore[assignment]
    yield
    sys.modules.pop("opentelemetry.exporter")
    sys.modules.update(kept)


@pytest.mark.usefixtures("without_the_sdk")
def test_traces_without_the_sdk_say_what_to_install() -> None:
    Observatory(Declared(), host="edge-1")
    with pytest.raises(errors.InvalidConfig, match="not installed"):
        Observatory(Declared(traces=Traces("http://collector:4318")), host="edge-1")


def test_only_the_control_token_shows_what_was_asked_and_answered(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    token = {"authorization": f"Bearer {CONTROL_TOKEN}"}
    with running(runtime):
        runtime.until_state("AVAILABLE")
        for number in range(3):
            runtime.post(DIGITS, BODY, headers={"x-request-id": f"r{number}"})
        for page in ("/plimsoll/sketches", "/plimsoll/recent"):
            assert runtime.get(page).status_code == 401
        (version,) = runtime.get("/plimsoll/sketches", headers=token).json()["versions"]
        (sketched,) = version["inputs"].values()
        assert (sketched["mean"], sketched["count"]) == (0.5, 64 * version["seen"])
        (version,) = runtime.get("/plimsoll/recent?id=r1", headers=token).json()["versions"]
        (answer,) = version["answers"]
        assert answer["id"] == "r1"
        assert math.isclose(sum(math.prod(o["shape"]) for o in answer["outputs"].values()), 11)
        _labels_are_joined(runtime, token)


def _labels_are_joined(runtime: Runtime, token: dict[str, str]) -> None:
    """By a header of TensorFlow Serving's REST, and the id of an Open Inference request."""
    watched = {"model": "digits", "version": 1, "seconds": 60}
    judged = {**watched, "output": "probabilities", "kind": "class", "purpose": "trial"}
    bins = {**watched, "side": "input", "tensor": "X", "edges": [0.4], "column": None}
    labels = {"model": "digits", "labels": [{"id": name, "label": "no class"} for name in "abc"]}
    for page, body in (("outcomes", judged), ("histograms", bins), ("labels", labels)):
        assert runtime.post(f"/plimsoll/{page}", body).status_code == 401
        assert runtime.post(f"/plimsoll/{page}", body, headers=token).status_code == 200
    runtime.post(DIGITS, BODY, headers={"x-request-id": "a"})
    tensor = {"name": "X", "shape": [1, 64], "datatype": "FP32", "data": [0.5] * 64}
    asked = {"id": "b", "inputs": [tensor]}
    assert runtime.post("/v2/models/digits/infer", asked).status_code == 200
    said = runtime.post("/plimsoll/labels", labels, headers=token).json()["labels"]
    assert [one["versions"] for one in said] == [{"1": "joined"}, {"1": "joined"}, {}]
    came = runtime.post("/plimsoll/outcomes", judged, headers=token).json()
    assert (came["labelled"], came["right"]) == (2, 0)
    seen = runtime.post("/plimsoll/histograms", bins, headers=token).json()
    assert sum(seen["counts"]) == seen["counts"][1] > 0
    page = runtime.get("/metrics").text
    assert 'plimsoll_labels_total{model="digits",result="joined",version="1"} 2.0' in page
    assert 'plimsoll_labels_total{model="digits",result="unknown",version=""} 4.0' in page


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    dashboard = (ROOT / "deploy" / "grafana" / "runtime.json").read_text()
    asked_for = set(re.findall(r"plimsoll_[a-z_]+", dashboard))
    page = Metrics(Table()).own().decode()
    known = set(re.findall(r"^# TYPE (plimsoll_[a-z_]+)", page, re.MULTILINE))
    assert {name.removesuffix("_bucket") for name in asked_for} <= known


def test_every_setting_of_observing_is_documented() -> None:
    page = (ROOT / "docs" / "runtime" / "observing.md").read_text()
    documented = set(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))
    log, traces = RequestLog(Path("f"), 1.0), Traces("http://collector:4318")
    document: dict[str, Any] = Declared(1, 1, log, traces).document()
    known = {
        name if not isinstance(value, dict) else f"{name}.{inner}"
        for name, value in document.items()
        for inner in (value if isinstance(value, dict) else [""])
    }
    assert documented == known
