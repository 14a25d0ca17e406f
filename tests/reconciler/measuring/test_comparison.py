"""Comparing what two runtimes really keep of their answers, through the page that shows it."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from reconciler import measuring
from reconciler.core.kinds.analysis import Metric
from reconciler.core.measurements import Found, Measurement, NotEnough, Trouble
from registry.core import reading
from runtime.backends.protocol import Array, objects
from runtime.config import Pin
from runtime.inference.asked import Asked, Outcome, Times
from runtime.observation import Declared
from runtime.observing import current
from runtime.observing.observatory import Observatory
from tests.reconciler.measuring.service import Service, context, serving


class Answering:
    """A runtime's memory of its answers, as its page at the service shows it."""

    def __init__(self, service: Service, version: int, entries: int = 256) -> None:
        self._service = service
        self._observatory = Observatory(Declared(recent=entries), host="h")
        self._pin = Pin("digits", version, "sha256:" + "0" * 64, "onnx", active=True)
        self._observatory.of(self._pin)
        self.show()

    def answer(self, x: Array, y: Array, request_id: str = "") -> None:
        current.begin({b"x-request-id": request_id.encode()} if request_id else {})
        outcome = Outcome({"y": y}, Times(1, 1, 1, 1))
        self._observatory.of(self._pin).inferred(Asked("serving_default", {"x": x}), outcome)
        self.show()

    def show(self) -> None:
        page = self._observatory.recent("", values=True, match_seconds=600)
        self._service.answers["/plimsoll/recent"] = 200, json.dumps(page).encode()


@pytest.fixture
def two() -> Iterator[tuple[Service, Service]]:
    with serving() as candidate, serving() as stable:
        yield candidate, stable


def measured(
    two: tuple[Service, Service], memo: Any = None, minimum: int = 1, **asked: Any
) -> Measurement:
    document = {
        "name": "n",
        "minimumSamples": minimum,
        "provider": {"comparison": {"measure": "agreement", **asked}},
    }
    metric = reading.part(document, Metric, what="metric")
    return measuring.measure(metric, context(*two, memo=memo))


def row(*values: float) -> Array:
    return np.array([values], dtype=np.float32)


def test_requests_without_ids_are_paired_by_their_inputs(two: tuple[Service, Service]) -> None:
    new, old = Answering(two[0], 2), Answering(two[1], 1)
    for number in range(4):
        new.answer(row(number), row(0.25, 0.75))
        old.answer(row(number), row(0.75, 0.25) if number == 0 else row(0.25, 0.75))
    new.answer(row(9), row(1, 0))
    found = measured(two)
    assert isinstance(found, Found)
    assert (found.result, found.samples) == (0.75, 4)
    for measure, result in (("sameTop", 0.75), ("maxDifference", 0.5), ("meanDifference", 0.125)):
        one = measured(two, measure=measure)
        assert isinstance(one, Found)
        assert one.result == result
    assert {path for _, path, _, _ in two[0].asked} == {"/plimsoll/recent?values=1&match=600"}


def test_each_pair_counts_once_and_pairs_add_up_until_there_are_enough(
    two: tuple[Service, Service],
) -> None:
    new, old = Answering(two[0], 2, entries=2), Answering(two[1], 1, entries=2)
    memo: Any = {}
    for number in range(3):
        new.answer(row(number), row(1.0))
        old.answer(row(number), row(1.0 if number else 2.0))
        found = measured(two, memo, minimum=3)
        if number < 2:
            assert isinstance(found, NotEnough)
            assert found.samples == number + 1
            memo = found.memo
    assert isinstance(found, Found)
    assert (found.result, found.samples) == (2 / 3, 3)
    again = measured(two, found.memo)
    assert isinstance(again, NotEnough)
    assert again.samples == 0


def test_a_candidate_that_began_anew_is_looked_at_from_its_start(
    two: tuple[Service, Service],
) -> None:
    new, old = Answering(two[0], 2), Answering(two[1], 1)
    for number in range(5):
        new.answer(row(number), row(1.0))
        old.answer(row(number), row(1.0))
    first = measured(two)
    assert isinstance(first, Found)
    Answering(two[0], 2).answer(row(1), row(1.0))
    again = measured(two, first.memo)
    assert isinstance(again, Found)
    assert again.samples == 1


def test_texts_are_compared_without_being_shown(two: tuple[Service, Service]) -> None:
    new, old = Answering(two[0], 2), Answering(two[1], 1)
    secret = objects([b"alice", b"b"], (1, 2))
    new.answer(secret, objects([b"spam"], (1,)))
    old.answer(secret, objects([b"spam"], (1,)))
    found = measured(two)
    assert isinstance(found, Found)
    assert found.result == 1.0
    page = two[0].answers["/plimsoll/recent"][1]
    assert b"spam" not in page
    assert b"alice" not in page


def test_large_inputs_are_paired_by_id_and_large_outputs_cannot_be_compared(
    two: tuple[Service, Service],
) -> None:
    new, old = Answering(two[0], 2), Answering(two[1], 1)
    large = np.zeros((1, 5000), dtype=np.float32)
    new.answer(large, row(1.0), "r1")
    old.answer(large, row(1.0), "r1")
    found = measured(two)
    assert isinstance(found, Found)
    assert found.samples == 1
    new.answer(row(1), large)
    old.answer(row(1), large)
    trouble = measured(two)
    assert isinstance(trouble, Trouble)
    assert "more than 2 KiB" in trouble.reason


def test_differences_of_shapes_are_no_numbers(two: tuple[Service, Service]) -> None:
    new, old = Answering(two[0], 2), Answering(two[1], 1)
    new.answer(row(1), row(1.0, 2.0))
    old.answer(row(1), row(1.0))
    agreement = measured(two)
    assert isinstance(agreement, Found)
    assert agreement.result == 0.0
    assert isinstance(measured(two, measure="maxDifference"), Trouble)


def test_a_page_that_is_none_is_trouble(two: tuple[Service, Service]) -> None:
    Answering(two[1], 1)
    for status, page in ((401, b"{}"), (200, b"{"), (200, b'{"versions": 1}')):
        two[0].answers["/plimsoll/recent"] = status, page
        assert isinstance(measured(two), Trouble)


def test_without_stable_there_is_nothing_to_compare(two: tuple[Service, Service]) -> None:
    Answering(two[0], 2)
    document = {"name": "n", "provider": {"comparison": {"measure": "agreement"}}}
    metric = reading.part(document, Metric, what="metric")
    found = measuring.measure(metric, context(two[0]))
    assert found == Trouble("there is no stable instance to compare with")
