"""What instances count: differences of the runtime's own pages, on all hosts together."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reconciler import measuring
from reconciler.core.kinds.analysis import Metric
from reconciler.core.measurements import Found, Measurement, NotEnough, Trouble
from reconciler.measuring import Site, pages
from registry import errors
from registry.core import reading
from runtime.config import Pin
from runtime.metrics import Metrics
from runtime.table import Table
from tests.reconciler.measuring.service import Service, context, serving, variant


@pytest.fixture
def candidate() -> Iterator[Service]:
    with serving() as found:
        yield found


@pytest.fixture
def stable() -> Iterator[Service]:
    with serving() as found:
        yield found


class Counting:
    """A runtime's metrics, as its page at the service shows them."""

    def __init__(self, service: Service, version: int) -> None:
        self._service = service
        self._metrics = Metrics(Table())
        self._pin = Pin("digits", version, "sha256:" + "0" * 64, "onnx", active=True)
        self.count(200, 0)

    def count(self, status: int, times: int, seconds: float = 0.01) -> None:
        for _ in range(times):
            self._metrics.answered(self._pin, status=status, seconds=seconds)
        self._service.answers["/metrics"] = 200, self._metrics.own()


def metric(provider: str = "runtime", condition: str = "result < 1", **asked: Any) -> Metric:
    document = {"name": "n", "successCondition": condition, "provider": {provider: asked}}
    return reading.part(document, Metric, what="metric")


def memo_of(found: Measurement) -> Any:
    assert isinstance(found, Found | NotEnough)
    return found.memo


def test_rates_are_of_what_came_since_the_last_look(candidate: Service, stable: Service) -> None:
    new, old = Counting(candidate, 2), Counting(stable, 1)
    new.count(500, 9)
    asked = metric(measure="errorRate")
    first = measuring.measure(asked, context(candidate, stable))
    assert isinstance(first, NotEnough)
    assert first.reason == "counting begins"
    new.count(200, 6)
    new.count(503, 2)
    new.count(400, 2)
    old.count(200, 100)
    found = measuring.measure(asked, context(candidate, stable, memo=first.memo))
    assert isinstance(found, Found)
    assert (found.result, found.samples) == (0.2, 10)
    assert found.values == {"candidate": 0.2, "stable": 0.0}
    rejected = measuring.measure(
        metric(measure="rejectionRate"), context(candidate, stable, memo=first.memo)
    )
    assert isinstance(rejected, Found)
    assert rejected.result == 0.2
    again = measuring.measure(asked, context(candidate, stable, memo=found.memo))
    assert isinstance(again, NotEnough)
    assert "no request to candidate" in again.reason


def test_only_the_version_in_question_is_counted(candidate: Service) -> None:
    Counting(candidate, 3).count(500, 5)
    page = candidate.answers["/metrics"][1]
    assert pages.counts(page, "digits", 3).errors == 5
    assert pages.counts(page, "digits", 2).requests == 0
    assert pages.counts(page, "others", 3).requests == 0


def test_a_quantile_is_within_its_bucket(candidate: Service) -> None:
    new = Counting(candidate, 2)
    asked = metric(measure="latencySeconds", quantile=0.9)
    first = measuring.measure(asked, context(candidate))
    new.count(200, 95, seconds=0.003)
    new.count(200, 5, seconds=3.0)
    found = measuring.measure(asked, context(candidate, memo=memo_of(first)))
    assert isinstance(found, Found)
    assert isinstance(found.result, float)
    assert 0.002 < found.result <= 0.004


def test_an_instance_that_began_anew_is_counted_from_its_start(candidate: Service) -> None:
    new = Counting(candidate, 2)
    new.count(200, 50)
    asked = metric(measure="errorRate")
    first = measuring.measure(asked, context(candidate))
    new = Counting(candidate, 2)
    new.count(200, 3)
    new.count(500, 1)
    found = measuring.measure(asked, context(candidate, memo=memo_of(first)))
    assert isinstance(found, Found)
    assert (found.result, found.samples) == (0.25, 4)


def test_another_instance_is_no_beginning_for_this_one(candidate: Service) -> None:
    Counting(candidate, 2).count(200, 50)
    asked = metric(measure="requests")
    first = measuring.measure(asked, context(candidate))
    site = Site("h1", variant(candidate, version=2, name="plimsoll-other"), None)
    other = replace(context(candidate, memo=memo_of(first)), sites=(site,))
    found = measuring.measure(asked, other)
    assert isinstance(found, NotEnough)
    assert found.reason == "counting begins"


def test_the_samples_of_a_comparison_are_the_fewer_of_both(
    candidate: Service, stable: Service
) -> None:
    new, old = Counting(candidate, 2), Counting(stable, 1)
    alone = metric(measure="errorRate")
    both = metric(measure="errorRate", condition="candidate <= stable")
    first = memo_of(measuring.measure(both, context(candidate, stable)))
    new.count(200, 10)
    silent = measuring.measure(both, context(candidate, stable, memo=first))
    assert isinstance(silent, NotEnough)
    assert "no request to stable" in silent.reason
    assert memo_of(silent) == first
    old.count(200, 4)
    compared = measuring.measure(both, context(candidate, stable, memo=first))
    assert isinstance(compared, Found)
    assert compared.samples == 4
    judged = measuring.measure(alone, context(candidate, stable, memo=first))
    assert isinstance(judged, Found)
    assert judged.samples == 10


def test_hosts_are_counted_together_and_a_new_one_from_now_on(
    candidate: Service, stable: Service
) -> None:
    one, two = Counting(candidate, 2), Counting(stable, 2)
    asked = metric(measure="requests")
    alone = context(candidate)
    both = replace(alone, sites=(*alone.sites, Site("h2", variant(stable, version=2), None)))
    first = memo_of(measuring.measure(asked, alone))
    one.count(200, 5)
    two.count(200, 70)
    second = measuring.measure(asked, replace(both, memo=first))
    assert isinstance(second, Found)
    assert second.result == 5
    two.count(200, 7)
    third = measuring.measure(asked, replace(both, memo=second.memo))
    assert isinstance(third, Found)
    assert third.result == 7


def test_a_sequential_test_gathers_evidence_over_all_looks(
    candidate: Service, stable: Service
) -> None:
    new, old = Counting(candidate, 2), Counting(stable, 1)
    asked = metric("sequential", "result > 0.01", measure="errorRate")
    found = measuring.measure(asked, context(candidate, stable))
    values = []
    for _ in range(3):
        new.count(200, 80)
        new.count(500, 20)
        old.count(200, 100)
        found = measuring.measure(asked, context(candidate, stable, memo=memo_of(found)))
        assert isinstance(found, Found)
        values.append(found.result)
    assert found.samples == 300
    assert found.values == {"candidate": 0.2, "stable": 0.0}
    assert values[0] == 1.0
    assert isinstance(values[2], float)
    assert values[2] < 1e-6


def test_without_stable_there_is_nothing_to_test_against(candidate: Service) -> None:
    Counting(candidate, 2)
    found = measuring.measure(metric("sequential", measure="errorRate"), context(candidate))
    assert found == Trouble("there is no stable instance to compare with")


def test_a_page_that_is_none_is_trouble(candidate: Service) -> None:
    asked = metric(measure="errorRate")
    for status, page in ((503, b""), (200, b'plimsoll_requests_total{model="x'), (200, b"\xff")):
        candidate.answers["/metrics"] = status, page
        assert isinstance(measuring.measure(asked, context(candidate)), Trouble)
    with pytest.raises(errors.Unavailable, match="cannot be read"):
        pages.counts(b"plimsoll_requests_total{} many", "digits", 1)


def test_a_memo_of_another_form_only_makes_counting_begin_anew(candidate: Service) -> None:
    Counting(candidate, 2)
    asked = metric(measure="errorRate")
    for memo in ({"h1": 1}, {"h1": {"candidate": {"requests": "x"}}}, {"seen": []}):
        found = measuring.measure(asked, context(candidate, memo=memo))
        assert isinstance(found, NotEnough)
        assert found.reason == "counting begins"
