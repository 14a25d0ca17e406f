"""What a publisher may say about inputs and outputs that a file does not tell."""

import pytest

from registry import errors
from registry.core.tensors import Signature, Tensor
from registry.formats import declared

NOTHING = Signature((), ())
TRACED = Signature((Tensor("x", "float32", (None, None)),), (Tensor("output", "unknown", None),))
SAID = Signature((Tensor("x", "float32", (None, 4)),), (Tensor("output", "int64", (None,)),))


def test_what_a_file_leaves_open_is_filled_in():
    assert declared.complete(TRACED, SAID) == SAID


def test_a_file_without_a_call_takes_any_signature():
    assert declared.complete(NOTHING, SAID) == SAID


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (Tensor("y", "float32", (None, 4)), "the signature's inputs are y"),
        (Tensor("x", "int64", (None, 4)), "x: int64"),
        (Tensor("x", "float32", (None, 4, 4)), "x: float32"),
        (Tensor("x", "float32", None), "x: float32"),
    ],
)
def test_what_a_file_says_is_never_overruled(wrong: Tensor, expected: str):
    with pytest.raises(errors.InvalidInput, match=expected) as caught:
        declared.complete(TRACED, Signature((wrong,), SAID.outputs))
    assert caught.value.fix


@pytest.mark.parametrize("name", ["a\x00b", "n" * 1001])
def test_a_name_that_no_database_keeps_is_refused(name: str):
    with pytest.raises(errors.InvalidInput, match="the name of one of the inputs"):
        declared.complete(NOTHING, Signature((Tensor(name, "float32", None),), ()))


def test_there_is_an_end_to_how_many_can_be_declared():
    many = tuple(Tensor(f"x{number}", "float32", None) for number in range(1001))
    with pytest.raises(errors.InvalidInput, match="1001 outputs"):
        declared.complete(NOTHING, Signature((), many))


def test_a_size_that_the_file_knows_stays():
    known = Signature((Tensor("x", "float32", (None, 4)),), ())
    with pytest.raises(errors.InvalidInput, match=r"\[\?, 5\], the model x: float32\[\?, 4\]"):
        declared.complete(known, Signature((Tensor("x", "float32", (None, 5)),), ()))
