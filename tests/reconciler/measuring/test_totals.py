"""What came of both variants since the last look, from real HTTP."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reconciler.config import Source
from reconciler.core.experiments import totals as scaling
from reconciler.core.experiments.evidence import Sums
from reconciler.core.experiments.totals import Increment, Total
from reconciler.core.kinds.experiment import ExperimentSpec, Primary
from reconciler.core.measurements import Trouble
from reconciler.measuring import totals
from registry.core import reading
from registry.core.canonical import Json
from tests.reconciler.measuring.service import Service, context, serving
from tests.reconciler.measuring.test_numbers import Counting

HTTP = {"url": "https://shop.example/totals/{{args.experiment}}", "jsonPointer": "/all"}
TOTALS = {
    "address": "https://prometheus.example",
    "count": 'orders_total{version="{{args.version}}"}',
    "sum": 'orders_sum{variant="{{args.variant}}"}',
    "designEffect": 2.0,
}


@pytest.fixture
def one() -> Iterator[Service]:
    with serving() as found:
        yield found


@pytest.fixture
def other() -> Iterator[Service]:
    with serving() as found:
        yield found


def spec(source: dict[str, Any], **form: Any) -> ExperimentSpec:
    digests = [f"sha256:{number:064x}" for number in (1, 2)]
    metric = {"name": "m", "better": "higher", "source": source, "smallestEffect": 0.1}
    document: dict[str, Any] = {
        "deployment": "production/digits",
        "variants": [
            {"name": "old", "version": 1, "digest": digests[0], "weight": 50},
            {"name": "new", "version": 2, "digest": digests[1], "weight": 50},
        ],
        "unit": {"cookie": "c"},
        "metric": {**metric, **(form or {"proportion": {}})},
        "horizon": {"samples": 1000, "time": "1h"},
    }
    return reading.part(document, ExperimentSpec, what="experiment")


def look(
    asked: ExperimentSpec, one: Service, other: Service, memo: Any = None
) -> Increment | Trouble:
    allowed = (Source(one.url),)
    found = context(one, other, memo=memo or {}, checks=allowed, prometheus=allowed)
    found = replace(found, args={**found.args, "experiment": "bigger"})
    return totals.look(asked.metric, asked, found)


def came(found: Increment | Trouble) -> Increment:
    assert isinstance(found, Increment)
    return found


@pytest.mark.parametrize(
    ("measure", "hits"),
    [
        ({"measure": "errorRate"}, (2, 1)),
        ({"measure": "rejectionRate"}, (3, 0)),
        ({"measure": "slowRate", "overSeconds": 0.25}, (4, 0)),
    ],
)
def test_requests_are_counted_by_the_instances(
    one: Service, other: Service, measure: dict[str, Any], hits: tuple[int, int]
) -> None:
    new, old = Counting(one, 2), Counting(other, 1)
    asked = spec({"runtime": {**measure, "designEffect": 1}})
    new.count(200, 50)
    first = came(look(asked, one, other))
    assert (first.control.count, first.treatment.count) == (0, 0)
    new.count(500, 2)
    new.count(400, 3)
    new.count(200, 4, seconds=0.3)
    new.count(200, 1)
    old.count(200, 6)
    old.count(503, 1)
    found = came(look(asked, one, other, first.memo))
    assert found.treatment == Total(10, hits[0], hits[0])
    assert found.control == Total(7, hits[1], hits[1])
    assert came(look(asked, one, other, found.memo)).treatment.count == 0


def test_totals_of_users_come_from_a_service(one: Service, other: Service) -> None:
    def says(old: tuple[float, float], new: tuple[float, float]) -> None:
        both = {
            name: {"count": count, "sum": total}
            for name, (count, total) in (("old", old), ("new", new))
        }
        one.answers["/totals/bigger"] = 200, json.dumps({"all": both}).encode()

    asked = spec({"http": {**HTTP, "url": HTTP["url"].replace("https://shop.example", one.url)}})
    says((100, 10), (90, 12))
    first = came(look(asked, one, other))
    assert first.control.count == 0
    says((110, 11), (120, 20))
    found = came(look(asked, one, other, first.memo))
    assert found.control == Total(10, 1)
    assert scaling.scaled(asked.metric, found) == (Sums(10, 1, 1), Sums(30, 8, 8))
    says((105, 30), (121, 21))
    backwards = came(look(asked, one, other, found.memo))
    assert isinstance(scaling.scaled(asked.metric, backwards), Trouble)


@pytest.mark.parametrize(
    "answer",
    [b"[]", b'{"all": []}', b'{"all": {"old": {"count": 1}, "new": {"count": 1}}}', b"{", b""],
)
def test_what_has_no_totals_is_trouble(one: Service, other: Service, answer: bytes) -> None:
    one.answers["/totals/bigger"] = 200, answer
    asked = spec({"http": {**HTTP, "url": HTTP["url"].replace("https://shop.example", one.url)}})
    assert isinstance(look(asked, one, other), Trouble)


def test_queries_are_asked_for_each_variant(one: Service, other: Service) -> None:
    def result(value: str) -> bytes:
        data = {"resultType": "scalar", "result": [1, value]}
        return json.dumps({"status": "success", "data": data}).encode()

    one.answers["/api/v1/query"] = 200, result("8")
    asked = spec({"prometheus": {**TOTALS, "address": one.url}})
    first = came(look(asked, one, other))
    one.answers["/api/v1/query"] = 200, result("20")
    found = came(look(asked, one, other, first.memo))
    assert found.treatment == Total(12, 12)
    assert scaling.scaled(asked.metric, found) == (Sums(6, 6, 6), Sums(6, 6, 6))


@pytest.mark.parametrize(
    ("came", "said"),
    [
        (Total(10, 11, 11), "cannot have the sum 11"),
        (Total(10, -1), "cannot have the sum -1"),
        (Total(-1, 0), "became less"),
        (Total(10, 5, -1), "became less"),
    ],
)
def test_numbers_that_cannot_be_are_not_taken(came: Total, said: str) -> None:
    asked = spec({"http": HTTP})
    found = scaling.scaled(asked.metric, Increment(Total(1, 1), came))
    assert isinstance(found, Trouble)
    assert said in found.reason


def test_means_are_scaled_to_their_bounds(one: Service) -> None:
    metric: Primary = spec({"http": HTTP}, mean={"lowest": -2, "highest": 8}).metric
    # 3, 8 and -2: 0.5, 1 and 0.
    both = Increment(Total(3, 9, 9 + 64 + 4), Total(3, 9))
    control, treatment = _pair(scaling.scaled(metric, both))
    assert (control.total, control.squares) == (pytest.approx(1.5), pytest.approx(1.25))
    assert (treatment.total, treatment.squares) == (pytest.approx(1.5), pytest.approx(1.5))
    free: Primary = spec({"http": HTTP}, mean={"deviation": 3}).metric
    assert _pair(scaling.scaled(free, both))[0] == Sums(3, 9, 77)


def _pair(found: tuple[Sums, Sums] | Trouble) -> tuple[Sums, Sums]:
    assert not isinstance(found, Trouble)
    return found


def test_memo_is_json(one: Service, other: Service) -> None:
    one.answers["/totals/bigger"] = (
        200,
        b'{"all": {"old": {"count": 1, "sum": 1}, "new": {"count": 1, "sum": 0}}}',
    )
    asked = spec({"http": {**HTTP, "url": HTTP["url"].replace("https://shop.example", one.url)}})
    memo: Json = {**came(look(asked, one, other)).memo}
    assert json.loads(json.dumps(memo)) == memo
