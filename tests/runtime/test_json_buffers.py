"""Numbers read as one buffer are those that are read one by one, or are left to be."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.core.tensors import Tensor
from registry.errors import InvalidInput
from runtime.backends.protocol import NUMPY_TYPES
from runtime.protocols import (
    json_buffers,
    json_tensors,
    open_inference_json,
    open_inference_request,
    predict_request,
)
from runtime.protocols.datatypes import NAMES
from runtime.protocols.open_inference_plan import Part, Plan

_DTYPES = ["float32", "float64", "int32", "int64", "float16", "uint8", "bool", "string"]
_LONG = b" " * 600  # what is short is never read so
_NUMBERS = (
    st.integers(-3, 3)
    | st.sampled_from([2**24, 2**31, -(2**31), 2**53 + 1, 2**63, -(2**63), 2**64, 10**400])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([-0.0, 1e39, 3.4028235e38, 16777215.9999, 5e-324, 1e308])
)
_ODD = st.sampled_from([None, True, False, "1", "[", [], {}, [1], {"b64": "AA=="}])


def _nested(leaves: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Mostly rectangular, up to three deep."""
    shaped = st.lists(st.integers(1, 4), min_size=1, max_size=3).flatmap(
        lambda sizes: _of(sizes, leaves)
    )
    return shaped | st.recursive(leaves, lambda inner: st.lists(inner, max_size=3), max_leaves=8)


def _of(sizes: list[int], leaves: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    found = leaves
    for size in reversed(sizes):
        found = st.lists(found, min_size=size, max_size=size)
    return found


_VALUES = _nested(_NUMBERS) | _nested(_NUMBERS | _ODD)
_TEXTS = st.sampled_from(
    [
        b'{"instances":[[1,2],[3],[4,5,6]]}',
        b'{"instances":[[1,2],[3,[4]]]}',
        b'{"instances":[1],"instances":[2]}',
        b'\xef\xbb\xbf{"instances":[1]}',
        b'{"instances":[1]} x',
        b'{"instances":[01]}',
        b'{"instances":[NaN]}',
        b'{"instances":[-0]}',
        b'{"instances":[1e400]}',
        b'{"instances":[1,2],"signature_name":"\\ud800"}',
        b"[1]",
        b"",
        b'{"instances":' + b"[" * 500 + b"1" + b"]" * 500 + b"}",
        b'{"instances":' + b"[" * 2000 + b"]" * 2000 + b"}",
    ]
)


@settings(max_examples=400, deadline=None)
@given(_VALUES.map(lambda value: json.dumps({"instances": value}).encode()) | _TEXTS,
       st.sampled_from(_DTYPES))  # fmt: skip
@example(json.dumps({"instances": [[0.5] * 40] * 3}).encode(), "float32")
@example(json.dumps({"instances": [[1, 2], [3, 4]]}).encode(), "float32")
def test_rows_are_what_they_are_one_by_one_or_are_not_taken(text: bytes, dtype: str) -> None:
    tensor = Tensor("x", dtype, None)
    limit = json_tensors.EXACT_INTEGERS.get(dtype)
    found = json_buffers.rows(text + _LONG, dtype, limit=limit)
    if found is None:
        return
    careful = predict_request.rows(json_tensors.loads(text), (tensor,), read=json_tensors.array)
    _require_same(found, careful["x"])


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(_DTYPES), _VALUES, st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from([{}, {"id": "["}, {"outputs": [{"name": "y"}]}, {"outputs": [[1]]},
                     {"outputs": None}, {"parameters": {"binary_data_output": True}},
                     {"more": [1]}]),
)  # fmt: skip
@example("float32", [0.5] * 12, [3, 4], {})
@example("int64", [1, 2, [3]], [3], {})
@example("int64", [1, 2, [3]], [3], {"outputs": None})
@example("int32", [], [0], {})
def test_a_request_of_numbers_is_what_it_is_read_one_by_one_or_is_not_taken(
    dtype: str, data: object, shape: list[int], more: dict[str, object]
) -> None:
    plan = _plan(dtype)
    item = {"name": "x", "datatype": NAMES[dtype], "shape": shape, "data": data}
    head = json.dumps({"inputs": [item], **more}).encode() + _LONG
    found = open_inference_request._of_numbers(plan, head)
    if found is None:
        return
    document = open_inference_request._document(head)
    careful = open_inference_request._layout(plan, document, open_inference_json.array)
    assert (found.wanted, found.outputs, found.id) == (careful.wanted, careful.outputs, careful.id)
    _require_same(found.given["x"], careful.given["x"])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_plain_numbers_are_taken(dtype: str) -> None:
    numbers = np.arange(600).reshape(2, 300)
    text = json.dumps({"instances": numbers.tolist()}).encode()
    found = json_buffers.rows(text, dtype, limit=2.0**24)
    assert found is not None
    _require_same(found, numbers.astype(NUMPY_TYPES[dtype]))
    flat = {"name": "x", "datatype": NAMES[dtype], "shape": [2, 300],
            "data": numbers.ravel().tolist()}  # fmt: skip
    layout = open_inference_request._of_numbers(
        _plan(dtype), json.dumps({"inputs": [flat]}).encode()
    )
    assert layout is not None
    _require_same(layout.given["x"], numbers.astype(NUMPY_TYPES[dtype]))


def test_a_model_that_takes_more_than_numbers_has_its_requests_read_once() -> None:
    item = {"name": "x", "datatype": "FP32", "shape": [300], "data": [0.5] * 300}
    head = json.dumps({"inputs": [item]}).encode()
    assert json_buffers.document(head, ["FP32"]) is not None
    assert json_buffers.document(head, ["FP32", "BYTES"]) is None


def test_what_does_not_fit_is_said_in_the_words_of_the_careful_way() -> None:
    item = {"name": "x", "datatype": "INT32", "shape": [300], "data": [2**31] * 300}
    head = json.dumps({"inputs": [item]}).encode()
    with pytest.raises(InvalidInput, match="value 0 of input 'x' is not INT32: 2147483648"):
        open_inference_request.layout(_plan("int32"), head)


def test_a_large_request_leaves_nothing_behind_and_the_next_is_taken() -> None:
    large = json.dumps({"instances": [[0.25] * 300_000]}).encode()
    assert len(large) > json_buffers._KEPT_BYTES
    for text in (large, json.dumps({"instances": [[0.25] * 300]}).encode()):
        found = json_buffers.rows(text, "float32", limit=2.0**24)
        assert found is not None
        assert (found == 0.25).all()


def _plan(dtype: str) -> Plan:
    part = Part(
        Tensor("x", dtype, None), NAMES[dtype], np.dtype(NUMPY_TYPES[dtype]), dtype == "string"
    )
    output = Part(Tensor("y", dtype, None), part.datatype, part.dtype, part.is_string)
    return Plan("digits", "1", "serving_default", {"x": part}, {"y": output}, (), (), (), ())


def _require_same(found: object, careful: object) -> None:
    assert isinstance(found, np.ndarray)
    assert isinstance(careful, np.ndarray)
    assert (found.dtype, found.shape) == (careful.dtype, careful.shape)
    assert found.tobytes() == careful.tobytes()
