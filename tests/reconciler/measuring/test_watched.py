"""Drift and labels, measured on what a runtime's own observatory counts behind its page."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from reconciler import measuring
from reconciler.core.kinds.analysis import Metric
from reconciler.core.measurements import Found, Measurement, NotEnough, Trouble
from reconciler.measuring import Context, Site
from registry.core import reading
from runtime.backends.protocol import Array
from runtime.config import Pin
from runtime.inference.asked import Asked, Outcome, Times
from runtime.observation import Declared
from runtime.observing import current
from runtime.observing.histograms import Wanted
from runtime.observing.observatory import Observatory
from runtime.observing.outcomes import Judged
from tests.reconciler.measuring.service import Service, context, serving, variant

EDGES = {"edges": [-1.0, 0.0, 1.0], "counts": [160, 340, 340, 160]}
AGE = {"feature": "x", "column": 1, "test": "psi", "reference": EDGES}
RIGHT = {"metric": "accuracy", "output": "y"}


class Watched:
    """A runtime's observatory, whose page at the service is what it would answer now."""

    def __init__(self, service: Service, version: int) -> None:
        self._service = service
        self._pin = Pin("digits", version, "sha256:" + "0" * 64, "onnx", active=True)
        self.begin_anew()

    def begin_anew(self) -> None:
        self._observatory = Observatory(Declared(sketches_per_second=65_536), host="h")
        self._observatory.of(self._pin)
        self.show()

    def answer(self, x: Array, name: str = "") -> None:
        """By a model that says whether the second column is above 0."""
        current.begin({b"x-request-id": name.encode()} if name else {})
        y = (x[:, 1] > 0).astype(np.int64)
        asked = Asked("serving_default", {"x": x})
        self._observatory.of(self._pin).inferred(asked, Outcome({"y": y}, Times(1, 1, 1, 1)))
        self.show()

    def label(self, name: str, label: int) -> None:
        self._observatory.label("digits", name, label)
        self.show()

    def show(self) -> None:
        key, seen = ("digits", self._pin.version), self._observatory
        bins = Wanted("input", "x", 1, edges=(-1.0, 0.0, 1.0))
        for path, page in (
            ("histograms", seen.histogram(*key, bins, seconds=600)),
            ("outcomes", seen.outcomes(*key, Judged("y", "class"), seconds=600)),
        ):
            self._service.answers[f"/plimsoll/{path}"] = 200, orjson.dumps(page)


@pytest.fixture
def two() -> Iterator[tuple[Service, Service]]:
    with serving() as candidate, serving() as stable:
        yield candidate, stable


def measured(about: Context, condition: str = "result < 0.2", **provider: Any) -> Measurement:
    document = {"name": "n", "successCondition": condition, "minimumSamples": 50}
    metric = reading.part({**document, "provider": provider}, Metric, what="metric")
    return measuring.measure(metric, about)


def then(about: Context, before: Measurement, **asked: Any) -> Measurement:
    assert isinstance(before, Found | NotEnough)
    return measured(replace(about, memo=before.memo), **asked)


def rows(seed: int, moved: float = 0.0, count: int = 400) -> Array:
    return np.random.default_rng(seed).normal(moved, 1, (count, 2))


def test_drift_is_of_what_came_since_the_last_look_and_tells_both_variants_apart(
    two: tuple[Service, Service],
) -> None:
    new, old, about = Watched(two[0], 2), Watched(two[1], 1), context(*two)
    new.answer(rows(1, moved=9))
    begun = measured(about, drift=AGE)
    assert begun == NotEnough("counting begins", 0, begun.memo)  # type: ignore[union-attr]
    new.answer(rows(2))
    old.answer(rows(3))
    found = then(about, begun, drift=AGE)
    assert isinstance(found, Found)
    assert found.samples == 400
    assert isinstance(found.result, float)
    assert found.result < 0.05
    new.answer(rows(4, moved=1))
    old.answer(rows(5))
    drifted = then(about, found, drift=AGE, condition="candidate <= stable + 0.2")
    assert isinstance(drifted, Found)
    assert isinstance(drifted.result, float)
    assert drifted.result > 0.5
    assert isinstance(stable := drifted.values["stable"], float)
    assert stable < 0.05
    (asked, *_) = [orjson.loads(body) for _, _, body, _ in two[0].asked]
    assert (asked["version"], asked["column"], asked["seconds"]) == (2, 1, 600)


def test_a_quiet_service_neither_fails_nor_advances_and_its_values_add_up(
    two: tuple[Service, Service],
) -> None:
    new, about = Watched(two[0], 2), context(two[0])
    found = measured(about, drift=AGE)
    for looks in range(4):
        found = then(about, found, drift=AGE)
        assert isinstance(found, NotEnough)
        assert found.samples == 15 * looks
        new.answer(rows(looks, count=15))
    found = then(about, found, drift=AGE)
    assert isinstance(found, Found)
    assert found.samples == 60


@pytest.mark.parametrize("test", ["ks", "chi2"])
def test_tests_give_a_p_value_and_how_far_it_is(two: tuple[Service, Service], test: str) -> None:
    new, about = Watched(two[0], 2), context(two[0])
    asked = {**AGE, "test": test}
    begun = measured(about, drift=asked)
    new.answer(rows(1))
    same = then(about, begun, drift=asked)
    new.answer(rows(2, moved=1))
    drifted = then(about, same, drift=asked)
    assert isinstance(same, Found)
    assert isinstance(drifted, Found)
    assert same.result > 0.01  # type: ignore[operator]
    assert drifted.result <= 1e-9  # type: ignore[operator]
    assert drifted.values["candidate"] > 0.3  # type: ignore[operator]


def test_labels_are_joined_and_counted_from_where_the_last_judgement_was(
    two: tuple[Service, Service],
) -> None:
    new, old, about = Watched(two[0], 2), Watched(two[1], 1), context(*two)
    found = measured(about, labels=RIGHT)
    for number in range(60):
        for one in (new, old):
            one.answer(np.array([[0.0, number - 30.5]]), f"r{number}")
    for number in range(60):
        new.label(f"r{number}", 1)
        old.label(f"r{number}", int(number > 30))
        if number == 48:
            few = then(about, found, labels=RIGHT)
            assert isinstance(few, NotEnough)
            assert few.samples == 49
            found = few
    judged = then(about, found, labels=RIGHT, condition="result >= stable")
    assert isinstance(judged, Found)
    assert (judged.samples, judged.values) == (60, {"candidate": 29 / 60, "stable": 1.0})
    again = then(about, judged, labels=RIGHT)
    assert isinstance(again, NotEnough)
    assert again.samples == 0


def test_what_a_restart_lost_is_lost_and_what_came_after_it_counts(
    two: tuple[Service, Service],
) -> None:
    new, about = Watched(two[0], 2), context(two[0])
    begun = measured(about, drift=AGE)
    new.answer(rows(1))
    new.begin_anew()
    new.answer(rows(2, count=70))
    found = then(about, begun, drift=AGE)
    assert isinstance(found, Found)
    assert found.samples == 70


def test_hosts_add_up_and_a_new_one_counts_from_then_on(two: tuple[Service, Service]) -> None:
    first, second, about = Watched(two[0], 2), Watched(two[1], 2), context(two[0])
    begun = measured(about, drift=AGE)
    second.answer(rows(1))
    wider = replace(about, sites=(*about.sites, Site("h2", variant(two[1], version=2), None)))
    first.answer(rows(2, count=40))
    few = then(wider, begun, drift=AGE)
    assert isinstance(few, NotEnough)
    assert few.samples == 40
    second.answer(rows(3, count=30))
    found = then(wider, few, drift=AGE)
    assert isinstance(found, Found)
    assert found.samples == 70


@pytest.mark.parametrize(
    ("status", "page", "why"),
    [
        (409, b'{"detail": "observing.recent is 0 here"}', "409, 'observing.recent is 0 here',"),
        (500, b"oops", "status 500"),
        (200, b"[]", "must be a JSON object"),
        (200, b'{"since": "a", "counts": [1, 2]}', "other bins"),
        (200, b'{"since": "a", "counts": [1, 2, 3, 4, -5]}', "other bins"),
        (200, b'{"since": "a", "labelled": true, "right": 1}', "what labels came to"),
    ],
)
def test_an_instance_that_answers_nonsense_is_trouble(
    two: tuple[Service, Service], status: int, page: bytes, why: str
) -> None:
    two[0].answers["/plimsoll/histograms"] = two[0].answers["/plimsoll/outcomes"] = status, page
    asked = {"labels": RIGHT} if b"labelled" in page or status == 409 else {"drift": AGE}
    found = measured(context(two[0]), **asked)
    assert isinstance(found, Trouble)
    assert why in found.reason


def test_what_is_never_there_is_trouble_once_nothing_came(two: tuple[Service, Service]) -> None:
    new, about = Watched(two[0], 2), context(two[0])
    page = {"since": "a", "counts": [0, 0, 0, 0, 0], "problem": "there is no input 'z', but x"}
    two[0].answers["/plimsoll/histograms"] = 200, orjson.dumps(page)
    found = then(about, measured(about, drift=AGE), drift=AGE)
    assert isinstance(found, Trouble)
    assert "no input 'z'" in found.reason
    new.answer(rows(1))
