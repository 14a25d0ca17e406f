"""Wrong requests of the Open Inference Protocol, named for their flaw, and what each is told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidInput
from runtime.protocols import datatypes
from tests.runtime.mirror import RELAXED, asked, binary, plan_of, refusal, request, tensor

_WRONG: dict[str, tuple[object, bytes, str]] = {
    "not json": (
        b"{", b"",
        "failed to parse the request JSON buffer: "),
    "a list": (
        b"[]", b"",
        "failed to parse the request JSON buffer: it is not an object"),
    "nothing": (
        b"", b"",
        "failed to parse the request JSON buffer: "),
    "nested without end": (
        b"[" * 100_000, b"",
        "failed to parse the request JSON buffer: "),
    "nested without end beside a NaN": (
        b'{"NaN":' + b"[" * 100_000, b"", "failed to parse the request JSON buffer: "),
    "no inputs": (
        {}, b"",
        "the request has no 'inputs' that is a list of objects"),
    "inputs that are no objects": (
        {"inputs": [1]}, b"", "the request has no 'inputs' that is a list of objects"),
    "an input without a name": (
        {"inputs": [{}]}, b"",
        "an input has no 'name'"),
    "an unknown input": (
        {"inputs": [{"name": "y"}]}, b"", "unexpected inference input 'y' for model 'mirror'"),
    "a missing input": (
        {"inputs": []}, b"",
        "expected 1 inputs but got 0 inputs for model 'mirror': input 'x' is missing"),
    "an input twice": (
        {"inputs": request("FP32", [1, 1], data=[1])["inputs"] * 2}, b"",
        "input 'x' already exists in request"),
    "another type": (
        request("FP64", [1, 1], data=[1]), b"",
        "inference input 'x' data-type is 'FP64', but model 'mirror' expects 'FP32'"),
    "no type": (
        {"inputs": [{"name": "x", "shape": [1, 1], "data": [1]}]}, b"",
        "inference input 'x' data-type is 'None', but model 'mirror' expects 'FP32'"),
    "no shape": (
        {"inputs": [{"name": "x", "datatype": "FP32", "data": [1]}]}, b"",
        "input 'x' has no 'shape' that is a list of whole numbers"),
    "a shape of halves": (
        request("FP32", [1, 0.5], data=[1]), b"",
        "input 'x' has no 'shape' that is a list of whole numbers"),
    "a shape of truths": (
        request("FP32", [1, True], data=[1]), b"",
        "input 'x' has no 'shape' that is a list of whole numbers"),
    "a negative shape": (
        request("FP32", [1, -1], data=[1]), b"",
        "input 'x' has an impossible 'shape'"),
    "a huge shape": (
        binary("FP32", [1, 2**62], 4), b"1234", "input 'x' has an impossible 'shape'"),
    "a shape whose product is huge": (
        binary("FP32", [2**30, 2**30], 4), b"1234", "input 'x' has an impossible 'shape'"),
    "nothing, of a huge shape": (
        request("FP32", [0, 2**40], data=[]), b"",
        "input 'x' has an impossible 'shape'"),
    "another rank": (
        request("FP32", [1], data=[1]), b"",
        "unexpected shape for input 'x' for model 'mirror'. Expected [-1,-1], got [1]"),
    "fewer values than the shape has": (
        request("FP32", [1, 3], data=[1, 2]), b"",
        "input 'x' has 2 values, its shape [1, 3] has 3"),
    "ragged": (
        request("FP32", [1, 3], data=[[1, 2], [3]]), b"",
        "the 'data' of input 'x' is ragged"),
    "data of text": (
        request("FP32", [1, 1], data="1"), b"",
        "the 'data' of input 'x' is not a list"),
    "no data": (
        request("FP32", [1, 1]), b"",
        "input 'x' has no 'data' that is a list, and no 'binary_data_size'"),
    "a text among numbers": (
        request("FP32", [1, 3], data=[1, 2, "3"]), b"",
        "value 2 of input 'x' is not FP32: a string"),
    "null": (
        request("FP32", [1, 1], data=[None]), b"",
        "value 0 of input 'x' is not FP32: null"),
    "a truth": (
        request("FP32", [1, 1], data=[True]), b"",
        "value 0 of input 'x' is not FP32: true"),
    "an overflow": (
        request("FP32", [1, 1], data=[1e39]), b"",
        "value 0 of input 'x' is not FP32: 1e+39"),
    "a number of thousands of digits": (
        b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[%s]}]}' % (b"9" * 5000),
        b"", "failed to parse the request JSON buffer: number is infinity"),
    "truncated": (
        binary("FP32", [1, 2], 8), b"1234567",
        "7 bytes of tensors came, the inputs' 'binary_data_size' say 8"),
    "too long": (
        binary("FP32", [1, 2], 8), b"123456789",
        "9 bytes of tensors came, the inputs' 'binary_data_size' say 8"),
    "another size than the shape's": (
        binary("FP32", [1, 2], 4), b"1234",
        "input 'x' has 4 bytes, its shape [1,2] of FP32 has 8"),
    "a negative size": (
        binary("FP32", [1, 1], -4), b"",
        "the 'binary_data_size' of input 'x' is not a whole number"),
    "a size in words": (
        binary("FP32", [1, 1], "4"), b"",
        "the 'binary_data_size' of input 'x' is not a whole number"),
    "bytes and data": (
        request("FP32", [1, 1], data=[1], parameters={"binary_data_size": 4}), b"1234",
        "input 'x' has both 'data' and 'binary_data_size'"),
    "parameters of another kind": (
        request("FP32", [1, 1], data=[1], parameters=[]), b"",
        "the 'parameters' of input 'x' are not an object"),
    "shared memory": (
        request("FP32", [1, 1], parameters={"shared_memory_region": "a"}), b"",
        "input 'x' is in shared memory, which is not offered here"),
    "an unknown output": (
        {**request("FP32", [1, 1], data=[1]), "outputs": [{"name": "y"}]}, b"",
        "unexpected inference output 'y' for model 'mirror'"),
    "an output twice": (
        {**request("FP32", [1, 1], data=[1]), "outputs": [{"name": "x_out"}] * 2}, b"",
        "output 'x_out' already requested"),
    "a priority below zero": (
        {**request("FP32", [1, 1], data=[1]), "parameters": {"priority": -1}}, b"",
        "the parameter 'priority' is not a whole number from 0 to 2^64 - 1"),
    "an id that is a number": (
        {**request("FP32", [1, 1], data=[1]), "id": 7}, b"", "the request's 'id' is not a string"),
}  # fmt: skip


@pytest.mark.parametrize("flaw", _WRONG)
def test_a_wrong_request_is_told_what_is_wrong_with_it(flaw: str) -> None:
    document, tail, said = _WRONG[flaw]
    plan, _ = plan_of(tensor("float32"))
    assert refusal(plan, document, tail).startswith(said)


def test_an_integer_is_never_taken_for_another() -> None:
    for dtype, value in {"int8": 128, "uint8": -1, "int64": 2**63, "uint64": 2**64 - 1}.items():
        plan, _ = plan_of(tensor(dtype))
        document = request(datatypes.NAMES[dtype], [1, 2], data=[0, value])
        if dtype == "uint64":
            assert asked(plan, document)["x"].tolist() == [[0, value]]
        else:
            assert refusal(plan, document).endswith(str(value))


_BYTES = {
    "cut inside a length": b"\x01\x00\x00\x00a\x01\x00",
    "cut inside an element": b"\x01\x00\x00\x00a\x09\x00\x00\x00b",
    "a length of 4 GiB": b"\xff\xff\xff\xffab\x00\x00\x00\x00",
    "too few elements": b"\x01\x00\x00\x00a",
    "too many elements": b"\x00\x00\x00\x00" * 3,
}


@pytest.mark.parametrize("flaw", _BYTES)
def test_strings_that_do_not_fill_their_bytes_are_refused(flaw: str) -> None:
    plan, _ = plan_of(tensor("string"))
    data = _BYTES[flaw]
    assert "input 'x'" in refusal(plan, binary("BYTES", [1, 2], len(data)), data)


def test_a_million_strings_are_not_looked_for_in_four_bytes() -> None:
    plan, _ = plan_of(tensor("string"))
    said = refusal(plan, binary("BYTES", [2**20, 2**20], 4), b"\0\0\0\0")
    assert said == f"input 'x' has {2**40} elements by its shape, which cannot be in 4 bytes"


def test_a_boolean_of_two_is_refused() -> None:
    plan, _ = plan_of(tensor("bool"))
    said = refusal(plan, binary("BOOL", [1, 2], 2), b"\x01\x02")
    assert said == "input 'x' has a BOOL that is neither 0 nor 1"


@RELAXED
@given(st.binary(max_size=200), st.integers(0, 200))
def test_arbitrary_bytes_are_refused_and_nothing_breaks(data: bytes, start: int) -> None:
    for dtype in ("float32", "string", "bool"):
        plan, _ = plan_of(tensor(dtype))
        assert refusal(plan, data[:start], data[start:])


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_SHAPES = st.lists(st.integers(-1, 4), max_size=3) | _JUNK
_TENSOR = st.fixed_dictionaries(
    {"name": st.just("x") | _JUNK},
    optional={
        "datatype": st.sampled_from(sorted(datatypes.NAMES.values())) | _JUNK,
        "shape": _SHAPES,
        "data": st.lists(st.integers(-3, 3) | st.booleans() | st.text(max_size=2)) | _JUNK,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 40) | _JUNK})
        | _JUNK,
    },
)
_OUTPUT = st.fixed_dictionaries(
    {"name": st.just("x_out") | _JUNK},
    optional={"parameters": st.fixed_dictionaries({"classification": st.integers() | _JUNK})},
)
_DOCUMENT = st.fixed_dictionaries(
    {"inputs": st.lists(_TENSOR, max_size=2) | _JUNK},
    optional={
        "id": _JUNK,
        "parameters": st.dictionaries(st.sampled_from(["priority", "timeout"]), _JUNK) | _JUNK,
        "outputs": st.lists(_OUTPUT, max_size=2) | _JUNK,
    },
)


@RELAXED
@given(_DOCUMENT, st.binary(max_size=40), st.sampled_from(["float32", "int8", "string", "bool"]))
def test_whatever_stands_in_a_field_is_read_or_refused(
    document: dict[str, object], tail: bytes, dtype: str
) -> None:
    plan, _ = plan_of(tensor(dtype))
    try:
        found = asked(plan, json.dumps(document).encode(), tail)
    except InvalidInput:
        return
    part = plan.inputs["x"]
    assert found["x"].dtype == part.dtype
    assert found["x"].ndim == 2
