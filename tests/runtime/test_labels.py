"""Labels that come later: joined once by request id, whatever their order, and bounded."""

from typing import Any

import numpy as np
import pytest

from registry import errors
from registry.core.canonical import Json
from runtime.backends.protocol import Array, objects
from runtime.inference.asked import Asked, Outcome, Times
from runtime.observation import Declared
from runtime.observing import current
from runtime.observing.observatory import Observatory
from runtime.observing.outcomes import Judged, Outcomes, Said
from tests.runtime.test_histograms import Clock
from tests.runtime.test_observing import observe

CLASS, NUMBER = Judged("y", "class"), Judged("y", "number")


def answer(found: Outcomes, name: str, *values: Any, array: Array | None = None) -> None:
    current.begin({b"x-request-id": name.encode()} if name else {})
    y = np.array([values], dtype=np.float64) if array is None else array
    found.keep(Asked("serving_default", {}), Outcome({"y": y}, Times(1, 1, 1, 1)))


def told(found: Outcomes, judged: Judged = CLASS) -> dict[str, Any]:
    return found.watch(judged, 60)


def watching(judged: Judged = CLASS, clock: Clock | None = None) -> Outcomes:
    found = Outcomes() if clock is None else Outcomes(clock=clock)
    told(found, judged)
    return found


def test_each_label_is_counted_once_and_the_first_one_holds() -> None:
    found = watching()
    answer(found, "a", 0.1, 0.9)
    answer(found, "b", 0.9, 0.1)
    said = [found.label(*one) for one in (("a", 1), ("a", 1), ("a", "1"), ("a", 0), ("b", 1))]
    joined, repeated, contradicting = Said.JOINED, Said.REPEATED, Said.CONTRADICTING
    assert said == [joined, repeated, repeated, contradicting, joined]
    assert found.label("never asked", 1) is Said.UNKNOWN
    assert {"labelled": 2, "right": 1, "waiting": 0}.items() <= told(found).items()


def test_a_label_may_come_as_late_as_the_window_is_long() -> None:
    clock = Clock()
    found = watching(clock=clock)
    answer(found, "a", 0.1, 0.9)
    clock.now += 7 * 86_400 - 1
    assert found.label("a", 1) is Said.JOINED
    clock.now += 2
    assert found.label("a", 1) is Said.UNKNOWN


def test_an_id_of_two_requests_is_ambiguous_unless_they_were_answered_alike() -> None:
    found = watching()
    for last in (0.8, 0.9):
        answer(found, "again", 0.1, last)
        answer(found, "other", 0.85, last)
    assert found.label("again", 1) is Said.JOINED
    assert found.label("other", 1) is Said.AMBIGUOUS
    assert told(found)["labelled"] == 1


def test_numbers_add_up_to_errors_and_a_request_of_several_rows_has_a_list() -> None:
    found = watching(NUMBER)
    answer(found, "a", array=np.array([[1.0], [2.0]]))
    unfit: list[Json] = [1, [1], [1, "2"], [1, None], [1, True], {}]
    assert {found.label("a", label) for label in unfit} == {Said.UNFIT}
    assert found.label("a", [1.5, 4]) is Said.JOINED
    assert {"labelled": 2, "absolute": 2.5, "squared": 4.25}.items() <= told(found, NUMBER).items()


def test_texts_and_integers_are_classes_too() -> None:
    found = watching()
    answer(found, "a", array=objects([b"spam", b"ham"], (2,)))
    answer(found, "b", array=np.array([3]))
    answer(found, "c", array=np.array([True]))
    assert found.label("a", ["spam", "spam"]) is Said.JOINED
    assert [found.label(*one) for one in (("b", 3), ("c", True))] == [Said.JOINED] * 2
    assert {"labelled": 4, "right": 3}.items() <= told(found).items()


def test_nothing_is_kept_unasked_nor_long_after_nor_without_an_id() -> None:
    clock = Clock()
    found = Outcomes(clock=clock)
    answer(found, "early", 0.1, 0.9)
    told(found)
    answer(found, "", 0.1, 0.9)
    assert {"waiting": 0, "nameless": 1}.items() <= told(found).items()
    answer(found, "a", 0.1, 0.9)
    clock.now += 61
    answer(found, "late", 0.1, 0.9)
    assert [found.label(name, 1) for name in ("early", "a", "late")] == [Said.UNKNOWN] * 3


def test_memory_is_bounded_and_the_oldest_go_first() -> None:
    found = watching(NUMBER)
    rows = np.zeros((64, 1))
    for number in range(513):
        answer(found, f"r{number}", array=rows)
    assert told(found, NUMBER)["waiting"] == 512
    assert found.label("r0", [0] * 64) is Said.UNKNOWN
    assert found.label("r512", [0] * 64) is Said.JOINED
    answer(found, "large", array=np.zeros((65, 1)))
    assert "65 rows" in told(found, NUMBER)["problem"]


def test_to_judge_another_output_begins_anew() -> None:
    found = watching()
    answer(found, "a", 0.1, 0.9)
    before = told(found)["since"]
    assert told(found, NUMBER)["since"] != before
    assert found.label("a", 1) is Said.UNKNOWN
    assert "no output 'z', but y" in _problem(found, Judged("z", "class"))


def test_to_judge_for_another_purpose_begins_anew() -> None:
    found, trial = watching(), Judged("y", "class", "trial")
    answer(found, "a", 0.1, 0.9)
    told(found, trial)
    assert found.label("a", 1) is Said.UNKNOWN
    answer(found, "b", 0.1, 0.9)
    told(found, trial)
    assert found.label("b", 1) is Said.JOINED


def _problem(found: Outcomes, judged: Judged) -> str:
    told(found, judged)
    answer(found, "b", 1.0)
    return str(told(found, judged)["problem"])


def test_nothing_waits_for_labels_where_recent_answers_are_switched_off() -> None:
    observatory = Observatory(Declared(0, 0), host="h")
    observe(observatory, np.zeros(1), np.zeros(1), "a")
    with pytest.raises(errors.Conflict, match=r"observing.recent is 0"):
        observatory.outcomes("m", 7, CLASS, seconds=60)
    assert observatory.label("m", "a", 0) == {}
