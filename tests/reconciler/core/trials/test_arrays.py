"""Golden samples as rows between 0 and 1, and back."""

from typing import Any

import numpy as np
import pytest

from reconciler.core.kinds.trials import Robustness
from reconciler.core.trials import arrays
from registry import errors


def spec(**said: Any) -> Robustness:
    noise = [{"kind": "gaussian", "strength": 0.1, "accuracy": 0.9}]
    return Robustness.model_validate({"range": [0.0, 16.0], "noise": noise, **said})


def test_samples_become_rows_and_rows_become_samples() -> None:
    instances: list[Any] = [[[0.0, 4.0], [8.0, 16.0]], [[1.0, 1.0], [1.0, 1.0]]]
    found = arrays.samples(instances, spec())
    assert found.rows[0].tolist() == [0.0, 0.25, 0.5, 1.0]
    assert found.changed(found.rows, [0, 1]) == instances
    assert found.changed(found.rows[:1], [1]) == instances[:1]


def test_other_inputs_stay_as_they_are_and_whole_numbers_stay_whole() -> None:
    instances: list[Any] = [{"image": [3, 5], "age": 40.0}]
    found = arrays.samples(instances, spec(input="image"))
    [changed] = found.changed(found.rows + 0.02, [0])
    assert changed == {"image": [3, 5], "age": 40.0}
    [changed] = found.changed(found.rows + 0.05, [0])
    assert changed == {"image": [4, 6], "age": 40.0}


@pytest.mark.parametrize(
    ("instances", "said", "why"),
    [
        ([[1.0], [1.0, 2.0]], {}, "not all of one size"),
        ([[]], {}, "not all of one size"),
        ([["a"]], {}, "not made of numbers"),
        ([[17.0]], {}, "values from 17 to 17"),
        ([{"a": [1.0], "b": [1.0]}], {}, "there are 2 of them: a, b"),
        ([{"a": [1.0]}], {"input": "c"}, "the input c is not made of numbers"),
    ],
)
def test_samples_that_cannot_be_changed_are_told(instances: Any, said: Any, why: str) -> None:
    with pytest.raises(errors.InvalidInput, match=why):
        arrays.samples(instances, spec(**said))


def test_scores_are_numbers_for_at_least_two_classes() -> None:
    found = arrays.scores([{"scores": [0.1, 0.9]}], None)
    assert found is not None
    assert np.array_equal(found, [[0.1, 0.9]])
    assert arrays.scores([3], None) is None
    assert arrays.scores([[0.9]], None) is None
    assert arrays.scores([["NaN", 1.0]], None) is None
    assert arrays.scores([], None) is None


@pytest.mark.parametrize(
    ("said", "why"),
    [({"range": [1.0, 1.0]}, "does not rise"), ({"noise": []}, "neither noise nor square")],
)
def test_a_robustness_that_asks_nothing_is_refused(said: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        spec(**said)
