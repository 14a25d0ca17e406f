"""Tensors of the Open Inference Protocol: what a client sends is what a model gets, bit for bit."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidInput
from runtime.backends import bfloat16
from runtime.backends.protocol import DEFAULT_CALL, NUMPY_TYPES, Array, objects
from runtime.protocols import (
    datatypes,
    open_inference_answer,
    open_inference_json,
    open_inference_models,
    open_inference_request,
)
from runtime.tuning import Batching, Tuning
from tests.runtime.mirror import RELAXED, Shape, asked, binary, plan_of, refusal, request, tensor


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, Array]:
    dtype = draw(st.sampled_from(sorted(datatypes.NAMES)))
    rows, columns = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    count = rows * columns
    if dtype == "string":
        items = draw(st.lists(st.binary(max_size=9), min_size=count, max_size=count))
        return dtype, objects(items, (rows, columns))
    numpy_type = np.dtype(NUMPY_TYPES[dtype])
    size = count * numpy_type.itemsize
    data = draw(st.binary(min_size=size, max_size=size))
    if dtype == "bool":
        data = bytes(byte & 1 for byte in data)
    return dtype, np.frombuffer(data, numpy_type).reshape(rows, columns)


def finite(value: Array) -> Array:
    """The same with 0 for what JSON has no number for."""
    numbers = bfloat16.numbers(value)
    if numbers.dtype.kind != "f":
        return value
    kept = np.where(np.isfinite(numbers), numbers, np.zeros_like(numbers))
    return bfloat16.narrowed(kept) if value.dtype == bfloat16.BFLOAT16 else kept


def bits(value: Array) -> bytes:
    return datatypes.packed(value) if value.dtype == object else value.tobytes()


@RELAXED
@given(arrays(), st.text(st.characters(codec="ascii"), max_size=5))
def test_binary_tensors_of_every_type_come_and_go_bit_for_bit(
    found: tuple[str, Array], pad: str
) -> None:
    dtype, value = found
    plan, slot = plan_of(tensor(dtype))
    tail = bits(value)
    document = binary(datatypes.NAMES[dtype], value.shape, len(tail))
    # What a client calls its request moves where the tensors begin: they may be unaligned.
    head = orjson.dumps({**document, "id": pad, "parameters": {"binary_data_output": True}})
    layout = open_inference_request.layout(plan, head)
    inputs = open_inference_request.asked(plan, layout, head + tail, len(head)).inputs
    assert inputs["x"].dtype == value.dtype
    assert inputs["x"].shape == value.shape
    assert inputs["x"].flags.aligned
    assert bits(inputs["x"]) == tail
    assert slot.backend is not None
    outputs = slot.backend.run(DEFAULT_CALL, inputs)
    answer = open_inference_answer.written(plan, layout, outputs, ())
    size = int(dict(answer.headers)[b"inference-header-content-length"])
    said = orjson.loads(answer.body[:size])
    assert said["id"] == pad
    assert said["outputs"][0]["shape"] == list(value.shape)
    assert answer.body[size:] == tail


@RELAXED
@given(arrays(), st.booleans())
def test_json_tensors_of_every_type_come_and_go_as_numbers(
    found: tuple[str, Array], flat: bool
) -> None:
    dtype, value = found
    if dtype == "string":
        value = objects((item.hex().encode() for item in value.flat), value.shape)
    plan, slot = plan_of(tensor(dtype))
    value = finite(value)
    numbers = bfloat16.numbers(value)
    data: Any = [item.decode() for item in value.flat] if dtype == "string" else (
        numbers.reshape(-1).tolist() if flat else numbers.tolist())  # fmt: skip
    head = orjson.dumps(request(datatypes.NAMES[dtype], value.shape, data=data))
    layout = open_inference_request.layout(plan, head)
    inputs = open_inference_request.asked(plan, layout, head, len(head)).inputs
    assert inputs["x"].dtype == value.dtype
    assert bits(inputs["x"]) == bits(value)
    assert slot.backend is not None
    outputs = slot.backend.run(DEFAULT_CALL, inputs)
    answer = open_inference_answer.written(plan, layout, outputs, ())
    said = orjson.loads(answer.body)["outputs"][0]
    assert said["shape"] == list(value.shape)
    assert bits(asked(plan, request(said["datatype"], said["shape"], data=said["data"]))["x"]) == (
        bits(value)
    )


numbers = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(-200, 300), st.floats(), st.sampled_from(
        [0, 1, 2**63, 2**64, 1e39, 65520.0]
    )
)  # fmt: skip
anything = st.one_of(numbers, st.none(), st.text(max_size=2), st.booleans())


@RELAXED
@given(
    st.sampled_from(sorted(datatypes.NAMES)),
    st.one_of(st.lists(numbers, max_size=4), st.lists(anything, max_size=4)),
    st.booleans(),
)
def test_the_quick_way_to_read_numbers_sees_what_the_careful_one_sees(
    dtype: str, data: list[object], nest: bool
) -> None:
    plan, _ = plan_of(tensor(dtype))
    part, shape = plan.inputs["x"], (1, len(data))
    item = {"data": [data] if nest else data}
    read = open_inference_json.reader(json.dumps(item).encode())
    seen = []
    for one in (read, open_inference_json.array):
        try:
            value = one(item, part, shape)
            seen.append((value.dtype.str, value.shape, bits(value)))
        except InvalidInput as refused:
            seen.append(("refused", (), refused.detail.encode()))
    assert seen[0] == seen[1]


def test_text_among_numbers_costs_no_room_for_the_longest_in_each_place() -> None:
    plan, _ = plan_of(tensor("float32"))
    data = ["a" * 1_000_000, *["b"] * 30_000]  # 112 GiB, if numpy is asked to make an array of it
    document = request("FP32", [1, len(data)], data=data)
    assert refusal(plan, document) == "value 0 of input 'x' is not FP32: a string"


def test_a_boolean_is_never_taken_for_a_number() -> None:
    plan, _ = plan_of(tensor("float32"))
    for padding in ("", "u" * 100, "l" * 100):
        document = {"id": padding, **request("FP32", [1, 2], data=[0.5, True])}
        assert refusal(plan, document) == "value 1 of input 'x' is not FP32: true"


def test_aligned_tensors_are_views_of_the_body() -> None:
    plan, _ = plan_of(tensor("float32"))
    document = orjson.dumps(binary("FP32", [1, 4], 16))
    head = document + b" " * (-len(document) % 4)
    found = asked(plan, head, np.arange(4, dtype=np.float32).tobytes())["x"]
    assert not found.flags.owndata
    assert found.tolist() == [[0, 1, 2, 3]]


def test_the_same_json_is_read_once() -> None:
    plan, _ = plan_of(tensor("float32"))
    head = orjson.dumps(binary("FP32", [1, 1], 4))
    first = open_inference_request.layout(plan, head)
    assert open_inference_request.layout(plan, head) is first
    named = orjson.dumps({**binary("FP32", [1, 1], 4), "id": "7"})
    open_inference_request.layout(plan, named)
    assert list(plan.layouts) == [head]


def test_no_client_can_fill_the_memory_with_layouts() -> None:
    plan, _ = plan_of(tensor("float32"))
    for number in range(1000):
        open_inference_request.layout(plan, orjson.dumps(binary("FP32", [number, 1], 4 * number)))
    assert len(plan.layouts) <= 64


def test_a_dimension_of_one_may_be_left_out_of_the_nesting_and_no_other() -> None:
    plan, _ = plan_of(tensor("int64"))
    assert asked(plan, request("INT64", [1, 3], data=[1, 2, 3]))["x"].tolist() == [[1, 2, 3]]
    assert asked(plan, request("INT64", [3, 1], data=[[1, 2, 3]]))["x"].tolist() == [[1], [2], [3]]
    said = refusal(plan, request("INT64", [2, 3], data=[[1, 2], [3, 4], [5, 6]]))
    assert said == "the 'data' of input 'x' is nested as [3, 2], its shape is [2, 3]"


def test_nan_and_infinities_are_numbers_of_floating_point_and_of_nothing_else() -> None:
    head = (
        b'{"inputs":[{"name":"x","datatype":"%s","shape":[1,3],"data":[NaN,Infinity,-Infinity]}]}'
    )
    plan, _ = plan_of(tensor("float32"))
    assert np.isnan(asked(plan, head % b"FP32")["x"][0, 0])
    plan, _ = plan_of(tensor("int32"))
    assert refusal(plan, head % b"INT32") == "value 0 of input 'x' is not INT32: NaN"


def test_a_raw_body_takes_the_shape_that_is_free() -> None:
    cases: list[tuple[Shape, int, tuple[int, ...]]] = [
        ((None, 2), 16, (2, 2)), ((None, None), 12, (1, 3)), ((2, 2), 16, (2, 2)), ((), 4, ()),
    ]  # fmt: skip
    for declared, size, shape in cases:
        plan, _ = plan_of(tensor("float32", declared))
        layout = open_inference_request.raw(plan, size)
        found = open_inference_request.asked(plan, layout, bytes(size), 0).inputs["x"]
        assert found.shape == shape
    for declared, size in (((None, 2), 12), ((2, 2), 12), ((2, None, None), 16), ((0, None), 4)):
        plan, _ = plan_of(tensor("float32", declared))
        with pytest.raises(InvalidInput):
            open_inference_request.raw(plan, size)


def test_the_best_classes_are_written_as_tritons_clients_read_them() -> None:
    plan, _ = plan_of(tensor("float32"))
    document = {
        **request("FP32", [2, 3], data=[0.25, 0.5, 0.125, 3, 1, 2]),
        "outputs": [{"name": "x_out", "parameters": {"classification": 2}}],
    }
    layout = open_inference_request.layout(plan, orjson.dumps(document))
    value = np.array([[0.25, 0.5, 0.125], [3, 1, 2]], dtype=np.float32)
    answer = open_inference_answer.written(plan, layout, {"x_out": value}, ("cat", "dog"))
    assert orjson.loads(answer.body)["outputs"] == [{
        "name": "x_out", "datatype": "BYTES", "shape": [2, 2],
        "data": ["0.500000:1:dog", "0.250000:0:cat", "3.000000:0:cat", "2.000000:2"],
    }]  # fmt: skip


def test_an_answer_like_one_before_is_written_as_if_it_were_the_first() -> None:
    kept, _ = plan_of(tensor("float32"))
    both = {"parameters": {"binary_data_output": True}}
    asks = [
        {**binary("FP32", [2, 2], 16), **both},
        {**binary("FP32", [2, 2], 16), **both},
        {**binary("FP32", [2, 2], 16), **both, "id": "7"},
        {**binary("FP32", [4, 1], 16), **both},
        {**binary("FP32", [1, 1], 4), **both},
        binary("FP32", [2, 2], 16),
        {**binary("FP32", [2, 2], 16), "outputs": [{"name": "x_out"}]},
        {**binary("FP32", [2, 2], 16),
         "outputs": [{"name": "x_out", "parameters": {"classification": 1}}]},
        {**binary("FP32", [2, 2], 16),
         "outputs": [{"name": "x_out", "parameters": {"binary_data": True}}]},
        {**binary("FP32", [2, 2], 16), **both},
    ]  # fmt: skip
    for number, document in enumerate(asks * 2):
        head = orjson.dumps(document)
        shape = document["inputs"][0]["shape"]
        outputs = {"x_out": np.full(shape, number, np.float32).T.reshape(shape)}
        answers = []
        for plan in (kept, plan_of(tensor("float32"))[0]):
            layout = open_inference_request.layout(plan, head)
            answers.append(open_inference_answer.written(plan, layout, outputs, ()))
        assert answers[0] == answers[1]
    assert kept.heads


def test_no_client_can_fill_the_memory_with_heads_of_answers() -> None:
    plan, _ = plan_of(tensor("float32"))
    document = {**binary("FP32", [1, 1], 4), "parameters": {"binary_data_output": True}}
    layout = open_inference_request.layout(plan, orjson.dumps(document))
    for rows in range(1, 300):
        outputs = {"x_out": np.zeros((rows, 1), np.float32)}
        open_inference_answer.written(plan, layout, outputs, ())
    assert 0 < len(plan.heads) <= 64


def test_bytes_that_are_no_text_are_not_put_into_json() -> None:
    plan, _ = plan_of(tensor("string"))
    layout = open_inference_request.layout(plan, orjson.dumps(request("BYTES", [1, 1], data=["a"])))
    with pytest.raises(InvalidInput, match="ask for it with 'binary_data': true"):
        open_inference_answer.written(plan, layout, {"x_out": objects([b"\xff"], (1, 1))}, ())


def test_the_configuration_of_a_batched_version_leaves_the_batch_out_of_its_dims() -> None:
    plan, slot = plan_of(tensor("float32", (None, 4)))
    batching = Batching(8, delay_microseconds=100, preferred_sizes=(4, 8))
    slot.pin = replace(slot.pin, tuning=Tuning(instances=2, batching=batching))
    found = open_inference_models.configuration(slot, plan)
    assert (found["max_batch_size"], found["input"][0]["dims"]) == (8, [4])
    assert found["instance_group"][0]["count"] == 2
    assert found["dynamic_batching"] == {
        "preferred_batch_size": [4, 8],
        "max_queue_delay_microseconds": 100,
    }
