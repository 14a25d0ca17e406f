"""Labels as what an experiment observes, from a runtime's own observatory behind its page."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from reconciler.core.experiments.totals import Increment, Total
from reconciler.core.kinds.experiment import ExperimentSpec
from reconciler.core.measurements import Trouble
from reconciler.measuring import totals
from tests.reconciler.measuring.service import Service, context, serving
from tests.reconciler.measuring.test_totals import spec
from tests.reconciler.measuring.test_watched import Watched

ASKED = {"output": "y", "designEffect": 1}
ARGS = {"experiment": "bigger", "began": "2026-11-29T12:00:00Z"}


@pytest.fixture
def two() -> Iterator[tuple[Service, Service]]:
    with serving() as candidate, serving() as stable:
        yield candidate, stable


def look(asked: ExperimentSpec, two: tuple[Service, Service], memo: Any = None) -> Increment:
    found = totals.look(asked.metric, asked, context(*two, args=ARGS, memo=memo))
    assert not isinstance(found, Trouble), found
    return found


def answers(of: Watched, names: str, *, right: str = "") -> None:
    """All say 1, and the labels come later: so those in `right` were."""
    for name in names:
        of.answer(np.ones((1, 2)), name)
    for name in names:
        of.label(name, int(name in right))


@pytest.mark.parametrize(
    ("metric", "control", "treatment"),
    [("accuracy", Total(4, 1, 1), Total(3, 2, 2)), ("errorRate", Total(4, 3, 3), Total(3, 1, 1))],
)
def test_what_was_right_of_each_variant_is_counted_from_look_to_look(
    two: tuple[Service, Service], metric: str, control: Total, treatment: Total
) -> None:
    new, old = Watched(two[0], 2), Watched(two[1], 1)
    asked = spec({"labels": {"metric": metric, **ASKED}})
    begun = look(asked, two)
    assert (begun.control.count, begun.treatment.count) == (0, 0)
    answers(new, "abc", right="ab")
    answers(old, "defg", right="d")
    found = look(asked, two, begun.memo)
    assert (found.control, found.treatment) == (control, treatment)
    assert look(asked, two, found.memo).control.count == 0


def test_a_label_counts_when_it_comes_and_not_when_its_answer_did(
    two: tuple[Service, Service],
) -> None:
    new, _ = Watched(two[0], 2), Watched(two[1], 1)
    asked = spec({"labels": {"metric": "accuracy", **ASKED}})
    begun = look(asked, two)
    new.answer(np.ones((1, 2)), "a")
    new.answer(np.ones((1, 2)), "b")
    waiting = look(asked, two, begun.memo)
    assert waiting.treatment.count == 0
    new.label("a", 1)
    assert look(asked, two, waiting.memo).treatment == Total(1, 1, 1)


def test_an_instance_that_began_anew_loses_what_waited_and_nothing_that_was_counted(
    two: tuple[Service, Service],
) -> None:
    new, _ = Watched(two[0], 2), Watched(two[1], 1)
    asked = spec({"labels": {"metric": "accuracy", **ASKED}})
    begun = look(asked, two)
    answers(new, "ab", right="ab")
    found = look(asked, two, begun.memo)
    new.answer(np.ones((1, 2)), "c")
    new.begin_anew()
    new.label("c", 1)
    answers(new, "de", right="d")
    after = look(asked, two, found.memo)
    assert after.treatment == Total(2, 1, 1)


def test_instances_are_asked_to_remember_for_this_experiment_alone(
    two: tuple[Service, Service],
) -> None:
    Watched(two[0], 2), Watched(two[1], 1)
    look(spec({"labels": {"metric": "accuracy", **ASKED}}), two)
    bodies = [json.loads(service.asked[-1][2]) for service in two]
    assert [one["version"] for one in bodies] == [2, 1]
    for one in bodies:
        assert one["purpose"] == "experiment bigger of 2026-11-29T12:00:00Z"
        assert (one["output"], one["kind"], one["seconds"]) == ("y", "class", 600)


def test_how_far_numbers_are_off_is_a_mean(two: tuple[Service, Service]) -> None:
    page = {"since": "s", "labelled": 0, "right": 0, "absolute": 0.0, "squared": 0.0}

    def says(**more: float) -> None:
        for service in two:
            service.answers["/plimsoll/outcomes"] = 200, json.dumps(page | more).encode()

    source = {"labels": {"metric": "meanAbsoluteError", **ASKED}}
    asked = spec(source, mean={"lowest": 0, "highest": 10})
    says()
    begun = look(asked, two)
    says(labelled=3, absolute=6.0, squared=14.0)
    assert look(asked, two, begun.memo).treatment == Total(3, 6, 14)
