"""The document of steps: what a publisher may write, and that nothing else passes."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.steps import document, flow
from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput

IMAGE: dict[str, Any] = {"name": "image", "dtype": "string", "shape": [None]}
DECODE: dict[str, Any] = {
    "kind": "decodeImage", "input": "image", "output": "pixels", "resize": 256, "crop": [224, 224]
}  # fmt: skip
NORMALISE: dict[str, Any] = {
    "kind": "normalise", "input": "pixels", "output": "x", "scale": 0.0039, "axis": 1,
    "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
}  # fmt: skip
TOP: dict[str, Any] = {"kind": "topK", "input": "y", "k": 5, "values": "s", "indices": "c"}
WORDS: dict[str, Any] = {"kind": "labels", "input": "c", "output": "l", "file": "labels.txt"}
MODEL = Signature(
    (Tensor("x", "float32", (None, 3, 224, 224)),), (Tensor("y", "float32", (None, 1000)),)
)


def written(**changes: Any) -> bytes:
    whole = {
        "version": 1, "inputs": [IMAGE], "before": [DECODE, NORMALISE], "after": [TOP, WORDS],
        "outputs": ["l", "s"],
    }  # fmt: skip
    return json.dumps(whole | changes).encode()


def test_clients_see_what_the_steps_take_and_give() -> None:
    found = flow.follow(document.parse(written()), MODEL)
    assert found.signature == Signature(
        (Tensor("image", "string", (None,)),),
        (Tensor("l", "string", (None, 5)), Tensor("s", "float32", (None, 5))),
    )
    assert found.widths == {"l": 1000}
    assert document.parse(written()).files == {"labels.txt"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 2}, "version 2 is not known"),
        ({"extra": 1}, "unknown field 'extra'"),
        ({"inputs": []}, "'inputs' lists 0 tensors"),
        ({"inputs": [IMAGE | {"shape": []}]}, "must have a type and an axis of rows"),
        ({"inputs": [IMAGE | {"dtype": "text"}]}, "'text' is not one of"),
        ({"outputs": [""]}, "no tensor's name"),
        ({"before": [DECODE | {"kind": "python"}]}, r"before\[0\]: kind 'python' is not known"),
        ({"before": [DECODE | {"crops": 1}]}, r"before\[0\] \(decodeImage\): unknown field"),
        ({"before": [DECODE | {"maxPixels": 10**12}]}, "'maxPixels' is 1000000000000"),
        ({"before": [DECODE | {"resize": 200}]}, "'crop' .* is larger than 'resize'"),
        ({"before": [{**DECODE, "crop": [1]}]}, r"must be \[height, width\]"),
        ({"before": [NORMALISE | {"std": 0}]}, "'std' has a zero"),
        ({"before": [NORMALISE | {"std": [1, 1]}]}, "3 means and 2 standard deviations"),
        ({"before": [NORMALISE | {"mean": [True]}]}, "'mean' must be numbers"),
        ({"before": [NORMALISE | {"axis": 0}]}, "'axis' 0 is that of the rows"),
        ({"after": [TOP, WORDS | {"file": "../labels.txt"}]}, "labels.txt"),
        ({"after": [TOP] * 33}, "33 steps in 'after'"),
    ],
)
def test_a_slip_in_the_document_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        document.parse(written(**changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"before": [DECODE]}, "the model takes 'x', which nothing before it gives"),
        ({"before": [NORMALISE, DECODE]}, r"before\[0\] takes 'pixels'"),
        ({"before": [DECODE, NORMALISE | {"output": "image"}]}, "'image', which there is already"),
        ({"before": [DECODE, NORMALISE | {"axis": 3}]}, "3 means or deviations for axis 3"),
        ({"before": [DECODE, NORMALISE | {"dtype": "float16"}]}, "wants 'x' as float32"),
        ({"before": [DECODE | {"crop": [64, 64]}, NORMALISE]}, r"with the shape \[-1,3,224,224\]"),
        ({"inputs": [IMAGE, IMAGE | {"name": "other"}]}, "'other' is used by nothing"),
        ({"inputs": [IMAGE | {"dtype": "uint8"}]}, "takes 'image', which is uint8"),
        ({"inputs": [IMAGE | {"shape": [None, 1]}]}, "it must have 1 axis"),
        ({"after": [TOP | {"k": 2000}, WORDS]}, "wants 2000 of the 1000"),
        ({"after": [TOP, WORDS | {"input": "s"}]}, "takes 's', which is float32"),
        ({"outputs": ["l", "l"]}, "names a tensor twice"),
        ({"outputs": ["nothing"]}, "outputs takes 'nothing'"),
    ],
)
def test_steps_that_do_not_fit_the_model_are_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        flow.follow(document.parse(written(**changes)), MODEL)


def require_followed(data: bytes) -> None:
    """Either it is refused, or clients see just the tensors that it lists."""
    with suppress(InvalidInput):
        found = document.parse(data)
        seen = flow.follow(found, MODEL).signature
        assert seen.inputs == found.inputs
        assert tuple(tensor.name for tensor in seen.outputs) == found.outputs


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["image", "pixels", "x", "string", "float32", "RGB", "labels", "topK"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([*DECODE, *NORMALISE, *TOP, *WORDS, "name", "dtype", "shape"]),
        inner, max_size=5),
    max_leaves=10,
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["version", "inputs", "before", "after", "outputs"]), values)
)
def test_whatever_is_written_is_steps_or_invalid(changes: dict[str, Any]) -> None:
    require_followed(written(**changes))


@given(st.sampled_from(["before", "after"]), st.data())
def test_a_damaged_step_is_read_as_a_step_or_invalid(side: str, data: st.DataObject) -> None:
    step = dict(data.draw(st.sampled_from([DECODE, NORMALISE, TOP, WORDS])))
    step[data.draw(st.sampled_from(sorted(step)))] = data.draw(values)
    require_followed(written(**{side: [step]}))


@given(st.binary(max_size=200))
def test_noise_is_no_document(noise: bytes) -> None:
    with pytest.raises(InvalidInput):
        document.parse(noise)
