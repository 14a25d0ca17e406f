"""Whatever those who are asked may answer: it is a measurement or trouble, and never an exception.

An exception would end the reconciler, which has rollouts to take back.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler import measuring
from reconciler.config import Source
from reconciler.core import analysis, comparing, counting, sequential
from reconciler.core.counting import Counts
from reconciler.core.kinds.analysis import Metric
from reconciler.core.measurements import Found, Measurement, NotEnough
from reconciler.core.sequential import Evidence
from reconciler.measuring import pages
from registry import errors
from registry.core import canonical, reading
from runtime.config import Pin
from runtime.metrics import Metrics
from runtime.table import Table
from tests.reconciler.core.analysed import metric, template
from tests.reconciler.measuring.service import Service, context, serving

NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 2**63, True, 1e308])
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | NUMBERS | st.text(max_size=8) | st.sampled_from(["NaN", "-Inf", "1e999", "a\0b"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["n", "value"]), inner, max_size=4)
    ),
    max_leaves=12,
)
SAMPLE = st.fixed_dictionaries({"metric": JSON, "value": st.lists(JSON, max_size=3)}) | JSON
ANSWER = st.fixed_dictionaries(
    {
        "status": st.just("success") | JSON,
        "data": st.fixed_dictionaries(
            {
                "resultType": st.sampled_from(["vector", "scalar", "matrix"]) | JSON,
                "result": st.lists(SAMPLE, max_size=3) | JSON,
            }
        )
        | JSON,
    }
)
TENSOR = st.dictionaries(
    st.sampled_from(["shape", "values", "sha256", "max"]),
    st.lists(NUMBERS | st.none(), max_size=4) | JSON,
)
RECENT = st.fixed_dictionaries(
    {"number": NUMBERS | JSON, "id": JSON, "inputs": st.just("a") | JSON},
    optional={"outputs": st.dictionaries(st.sampled_from("xy"), TENSOR) | JSON},
)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving() as found:
        yield found


def is_judged(found: Measurement, about: str) -> bool:
    """Whether it can be recorded, and written down."""
    run = analysis.begin([template(metric(more=f'successCondition: "{about}"'))], {}, 0.0)
    run = analysis.record(run, "errors", found, 0.0)
    if isinstance(found, Found | NotEnough):
        canonical.encode(dict(found.memo))
    return len(run.metrics[0].taken) == 1


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400, "9" * 5000, "true"])
def test_any_number_there_is(service: Service, number: str) -> None:
    """Some are written in JSON and none of Python's."""
    text = f'{{"value": {number}, "n": {number}}}'
    service.answers["/q"] = 200, text.encode()
    for pointer in ("/n", None):
        asked = {"url": f"{service.url}/q", "jsonPointer": "/value", "samplesPointer": pointer}
        asked = {name: said for name, said in asked.items() if said is not None}
        one = reading.part({"name": "n", "provider": {"http": asked}}, Metric, what="metric")
        known = context(service, checks=(Source(service.url),))
        assert is_judged(measuring.measure(one, known), "result < 1")
    tensor = f'{{"shape": [1], "values": [{number}]}}'
    answer = f'{{"number": {number}, "inputs": "a", "outputs": {{"y": {tensor}}}}}'
    versions = ", ".join(
        f'{{"model": "digits", "version": {version}, "answers": [{answer}]}}' for version in (1, 2)
    )
    service.answers["/plimsoll/recent"] = 200, f'{{"versions": [{versions}]}}'.encode()
    for measure in ("meanDifference", "sameTop"):
        provider = {"comparison": {"measure": measure}}
        one = reading.part({"name": "n", "provider": provider}, Metric, what="metric")
        assert is_judged(measuring.measure(one, context(service, service)), "result < 1")


@pytest.mark.parametrize("number", ["1e999", "NaN", "1e308", "0x1", "1" * 5000])
def test_any_number_of_prometheus(service: Service, number: str) -> None:
    value = {"metric": {}, "value": [1, number]}
    data = {"resultType": "vector", "result": [value] * 30}
    service.answers["/api/v1/query"] = (
        200,
        json.dumps({"status": "success", "data": data}).encode(),
    )
    asked = {"prometheus": {"address": service.url, "query": "x", "samples": "y"}}
    one = reading.part({"name": "n", "provider": asked}, Metric, what="metric")
    known = context(service, prometheus=(Source(service.url),))
    assert is_judged(measuring.measure(one, known), "result[0] < 1 && samples > 0")


@given(ANSWER | JSON)
@settings(max_examples=60)
def test_any_answer_of_prometheus(service: Service, answer: Any) -> None:
    service.answers["/api/v1/query"] = 200, json.dumps(answer).encode()
    asked = {"prometheus": {"address": service.url, "query": "x", "samples": "y"}}
    one = reading.part({"name": "n", "provider": asked}, Metric, what="metric")
    known = context(service, prometheus=(Source(service.url),))
    assert is_judged(measuring.measure(one, known), "result[0] < 1")


@given(st.fixed_dictionaries({"n": JSON, "value": JSON}) | JSON)
@settings(max_examples=60)
def test_any_answer_of_a_check(service: Service, answer: Any) -> None:
    service.answers["/q"] = 200, json.dumps(answer).encode()
    asked = {"http": {"url": f"{service.url}/q", "jsonPointer": "/value", "samplesPointer": "/n"}}
    one = reading.part({"name": "n", "provider": asked}, Metric, what="metric")
    known = context(service, checks=(Source(service.url),))
    assert is_judged(measuring.measure(one, known), "result < 1")


@given(st.lists(RECENT | JSON, max_size=4), st.lists(RECENT, max_size=4), JSON)
@settings(max_examples=60)
def test_any_page_of_recent_answers(
    service: Service, new: list[Any], old: list[Any], memo: Any
) -> None:
    versions = [
        {"model": "digits", "version": 2, "answers": new},
        {"model": "digits", "version": 1, "answers": old},
    ]
    service.answers["/plimsoll/recent"] = 200, json.dumps({"versions": versions}).encode()
    asked = {"comparison": {"measure": "meanDifference"}}
    one = reading.part({"name": "n", "provider": asked}, Metric, what="metric")
    known = context(service, service, memo={"tally": memo, "seen": memo})
    assert is_judged(measuring.measure(one, known), "result < 1")


def page() -> bytes:
    made = Metrics(Table())
    made.answered(
        Pin("digits", 1, "sha256:" + "0" * 64, "onnx", active=True), status=200, seconds=1
    )
    return made.own()


PAGE = page()


@given(st.integers(0, len(PAGE)), st.integers(0, 12), st.binary(max_size=12))
@settings(max_examples=150)
def test_any_page_of_metrics(at: int, less: int, more: bytes) -> None:
    changed = PAGE[:at] + more + PAGE[at + less :]
    try:
        found = pages.counts(changed, "digits", 1)
    except errors.Unavailable:
        return
    told = found.document()
    came = counting.since(found, counting.Counts())
    counting.quantile(came.buckets, 0.9)
    assert counting.read(json.loads(json.dumps(told))) is not None


@pytest.mark.parametrize("read", [counting.read, sequential.read])
@given(JSON)
@example(10**400)
@example(True)
def test_any_memory(read: Callable[[Any], object], memo: Any) -> None:
    same = {"now": memo, "most": memo, "candidate": memo, "buckets": memo, "requests": memo}
    assert isinstance(read(memo), Evidence | Counts | None)
    assert isinstance(read(same), Evidence | Counts | None)


@given(RECENT, RECENT)
def test_any_two_answers(one: Any, two: Any) -> None:
    found = comparing.compared(one, two, output=None, tolerance=0.1)
    assert found.pairs == 1
    list(comparing.pairs([one], [two, two]))
