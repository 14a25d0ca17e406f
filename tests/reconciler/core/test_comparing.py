"""Answers of candidate and stable: which belong together, and how they differ."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import comparing
from reconciler.core.comparing import Tally
from registry.core.canonical import Json


def answer(
    values: list[Any] | None, *, shape: list[int] | None = None, **more: Any
) -> dict[str, Json]:
    """One answer with the output y."""
    tensor: dict[str, Json] = {"shape": [*(shape or [len(values or [])])], **more.pop("y", {})}
    if values is not None:
        tensor["values"] = values
    return {"outputs": {"y": tensor}, **more}


def compared(one: dict[str, Json], other: dict[str, Json], tolerance: float = 0.0) -> Tally:
    return comparing.compared(one, other, output=None, tolerance=tolerance)


def test_equal_inputs_belong_together_whatever_the_ids() -> None:
    candidate = [answer([1], inputs="a", id="x"), answer([2], inputs="b", id="y")]
    stable = [answer([3], inputs="b", id="x"), answer([4], inputs="c", id="y")]
    assert list(comparing.pairs(candidate, stable)) == [(candidate[1], stable[0])]


def test_without_inputs_an_id_that_came_once_on_both_sides_tells() -> None:
    candidate = [answer([1], id="x"), answer([2], id="trace"), answer([2], id="trace")]
    stable = [answer([3], id="x"), answer([4], id="trace")]
    assert list(comparing.pairs(candidate, stable)) == [(candidate[0], stable[0])]


def test_nothing_belongs_together_without_a_word_of_it() -> None:
    assert list(comparing.pairs([answer([1], id="")], [answer([1], id="")])) == []
    assert list(comparing.pairs([answer([1])], [])) == []


def test_numbers_within_the_tolerance_agree() -> None:
    found = compared(answer([1.0, 2.0]), answer([1.1, 1.7]), tolerance=0.3000001)
    assert (found.agreeing, found.differences) == (1, 2)
    assert abs(found.total - 0.4) < 1e-9
    assert abs(found.most - 0.3) < 1e-9
    assert compared(answer([1.0]), answer([1.1])).agreeing == 0


def test_the_highest_is_looked_for_row_by_row() -> None:
    one = answer([0.1, 0.9, 0.8, 0.2], shape=[2, 2])
    same = answer([0.4, 0.6, 0.7, 0.3], shape=[2, 2])
    other = answer([0.4, 0.6, 0.3, 0.7], shape=[2, 2])
    assert compared(one, same).same_top == 1
    assert compared(one, other).same_top == 0


def test_another_shape_disagrees_and_differs_by_no_number() -> None:
    found = compared(answer([1.0, 2.0], shape=[2]), answer([1.0, 2.0], shape=[1, 2]))
    assert found == Tally(pairs=1, unmeasured=1)


def test_what_is_not_finite_agrees_with_its_like_alone() -> None:
    assert compared(answer([None]), answer([None])).agreeing == 1
    found = compared(answer([None, 1.0]), answer([2.0, 1.0]))
    assert (found.agreeing, found.unmeasured) == (0, 1)


def test_texts_agree_by_their_digests() -> None:
    one, other = answer(None, y={"sha256": "a"}), answer(None, y={"sha256": "b"})
    assert compared(one, one) == Tally(pairs=1, agreeing=1, same_top=1)
    assert compared(one, other) == Tally(pairs=1, unmeasured=1)


def test_of_an_output_that_was_only_summed_up_nothing_is_known() -> None:
    found = compared(answer(None, y={"max": 1.0}), answer(None, y={"max": 1.0}))
    assert (found.unknown, found.agreeing) == (1, 0)


def test_an_output_that_one_lacks_is_a_disagreement_and_one_that_both_lack_unknown() -> None:
    one = {"outputs": {"y": {"shape": [1], "values": [1]}}}
    other = {"outputs": {"z": {"shape": [1], "values": [1]}}}
    assert comparing.compared(one, other, output=None, tolerance=0) == Tally(1, unmeasured=1)
    assert comparing.compared(one, one, output="x", tolerance=0).unknown == 1


NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.none(), max_size=8)


@given(NUMBERS)
def test_an_answer_agrees_with_itself(values: list[Any]) -> None:
    found = compared(answer(values), answer(values))
    assert (found.agreeing, found.same_top, found.most, found.unknown) == (1, 1, 0.0, 0)


@given(NUMBERS, NUMBERS, st.floats(0, 10))
def test_it_does_not_matter_which_is_which(
    one: list[Any], two: list[Any], tolerance: float
) -> None:
    first, second = answer(one), answer(two)
    assert compared(first, second, tolerance) == compared(second, first, tolerance)
