"""The document of an ensemble: what a publisher may write, and that nothing else passes."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import ensemble
from registry.core.ensemble import Ensemble, Member
from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput

DIGEST = "sha256:" + "a" * 64
X, Y = ({"name": name, "dtype": "float32", "shape": [None, 4]} for name in ("x", "y"))


def step(model: str, inputs: dict[str, str], outputs: dict[str, str], **more: Any) -> Any:
    whole = {"model": model, "version": 1, "digest": DIGEST}
    return whole | {"inputMap": inputs, "outputMap": outputs} | more


FIRST = step("first", {"a": "x"}, {"b": "middle"})
SECOND = step("second", {"a": "middle"}, {"b": "y"})


def written(**changes: Any) -> bytes:
    whole = {"version": 1, "inputs": [X], "outputs": [Y], "steps": [FIRST, SECOND]}
    return json.dumps(whole | changes).encode()


def member(name: str) -> Member:
    return Member(name, 1, DIGEST)


def vectors(inputs: str, outputs: str, size: int | None = 4, dtype: str = "float32") -> Signature:
    sides = (
        tuple(Tensor(name, dtype, (None, size)) for name in side) for side in (inputs, outputs)
    )
    return Signature(*sides)


def test_steps_run_in_turns_as_soon_as_they_can() -> None:
    steps = [
        step("l", {"a": "x"}, {"b": "left"}),
        step("r", {"a": "x"}, {"b": "right"}),
        step("join", {"a": "left", "b": "right"}, {"c": "y"}),
    ]
    found = ensemble.parse(written(steps=steps))
    assert [[one.member.model for one in wave] for wave in found.waves()] == [["l", "r"], ["join"]]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 3}, "version 3 is not known"),
        ({"name": "x"}, "unknown field 'name'"),
        ({"steps": []}, "0 steps"),
        ({"outputs": []}, "'outputs' lists 0"),
        ({"inputs": [X | {"shape": 4}]}, "'shape' must be a list"),
        ({"steps": [SECOND, FIRST]}, r"steps\[0\] \(second@1\) takes 'middle', which nothing"),
        ({"steps": [step("l", {"a": "y"}, {"b": "z"}), step("r", {"a": "z"}, {"b": "y"})]},
         "takes 'y', which nothing before it gives"),
        ({"steps": [FIRST]}, "the output 'y' is given by no step"),
        ({"steps": [FIRST, FIRST, SECOND]}, "'middle' is given twice"),
        ({"steps": [FIRST, step("s", {"a": "middle"}, {"b": "y", "c": "z"})]},
         "'z' is used by nothing"),
        ({"steps": [FIRST | {"digest": "latest"}, SECOND]}, r"steps\[0\]"),
        ({"steps": [FIRST | {"version": 0}, SECOND]}, r"steps\[0\]"),
        ({"steps": [FIRST | {"inputMap": {}}, SECOND]}, "'inputMap' maps 0 tensors"),
        ({"steps": [FIRST | {"outputMap": {"b": "q", "c": "q"}}, SECOND]}, "one name to two"),
    ],
)  # fmt: skip
def test_a_slip_in_the_document_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        ensemble.parse(written(**changes))


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (vectors("q", "b"), "inputMap of first@1 names 'a', which that model has not"),
        (vectors("a", "q"), "outputMap of first@1 names 'b'"),
        (vectors("ac", "b"), "first@1 wants 'c', which is not mapped"),
        (vectors("a", "b", 5), r"first@1 takes 'a' as float32\[-1,5\], and gets 'x' as float32"),
        (vectors("a", "b", dtype="int64"), r"first@1 takes 'a' as int64\[-1,4\]"),
    ],
)
def test_members_that_do_not_fit_are_named(first: Signature, said: str) -> None:
    found = ensemble.parse(written())
    members = {member("first"): first, member("second"): vectors("a", "b")}
    with pytest.raises(InvalidInput, match=said):
        ensemble.require_fit(found, members)


def test_what_is_declared_must_be_what_comes_out() -> None:
    found = ensemble.parse(written())
    members = {member("first"): vectors("a", "b"), member("second"): vectors("a", "b", None)}
    narrow = ensemble.parse(written(outputs=[Y | {"shape": [None]}]))
    with pytest.raises(InvalidInput, match=r"it declares 'y' as float32\[-1\], and gets 'y'"):
        ensemble.require_fit(narrow, members)
    ensemble.require_fit(found, members)


names = st.sampled_from(["x", "y", "z", "middle"])
maps = st.dictionaries(st.sampled_from("abc"), names, max_size=3)
steps = st.lists(st.builds(step, st.sampled_from(["m", "n"]), maps, maps), max_size=5)


@given(steps)
def test_whatever_is_wired_is_refused_or_runs_through(wired: list[Any]) -> None:
    found = require_ensemble(written(steps=wired))
    if found is None:
        return
    known = {"x"}
    for wave in found.waves():
        for one in wave:
            assert set(one.inputs.values()) <= known
        known |= {name for one in wave for name in one.outputs.values()}
    assert "y" in known
    assert sum(map(len, found.waves())) == len(wired)


def require_ensemble(data: bytes) -> Ensemble | None:
    with suppress(InvalidInput):
        return ensemble.parse(data)
    return None


@given(st.binary(max_size=100))
def test_noise_is_no_document(noise: bytes) -> None:
    assert require_ensemble(noise) is None
