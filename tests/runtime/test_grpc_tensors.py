"""Tensors over gRPC: every type in every form, and whatever else may come in their place."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import errors
from runtime.backends.protocol import NUMPY_TYPES, Array, objects
from runtime.protocols import datatypes
from runtime.protocols.grpc import infer_answer, prediction, tensor_proto
from runtime.protocols.grpc.inference import Inference
from runtime.protocols.grpc.terms import Context
from tests.runtime.grpc_echo import PREDICT_REQUEST, PREDICTED, REQUEST, RESPONSE, serving


def values(dtype: str) -> Array:
    if dtype == "string":
        return objects([b"", b"\xff\0", "ü".encode(), b"x" * 300], (2, 2))
    kind = np.dtype(NUMPY_TYPES[dtype])
    if dtype == "bfloat16":
        return np.array([0x3F80, 0xFF7F, 0x7FC0, 0], np.uint16).view(kind).reshape(2, 2)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return np.array([[limits.min, limits.max], [0, 1]], kind)
    return np.array([[1, 0], [0, 1]], kind)


@pytest.mark.parametrize("dtype", tensor_proto.NUMBERS)
def test_every_type_of_tensor_comes_back_as_it_was_sent(dtype: str) -> None:
    x, datatype = values(dtype), datatypes.NAMES[dtype]
    context = Context(serving(dtype=dtype), preview=False, seconds=None)
    raw = datatypes.packed(x) if dtype == "string" else x.tobytes()
    one = {"name": "x", "datatype": datatype, "shape": x.shape}
    request = REQUEST(model_name="m", inputs=[one], raw_input_contents=[raw])
    found = RESPONSE.FromString(
        asyncio.run(Inference().infer(context, request.SerializeToString()))
    )
    assert (found.outputs[0].datatype, list(found.outputs[0].shape)) == (datatype, [2, 2])
    assert list(found.raw_output_contents) == [raw]

    sent = tensor_proto.proto(x, dtype)
    asked = PREDICT_REQUEST(model_spec={"name": "m"}, inputs={"x": sent})
    answer = PREDICTED.FromString(
        asyncio.run(prediction.predict(context, asked.SerializeToString()))
    )
    assert answer.outputs["y"] == sent


@pytest.mark.parametrize("dtype", sorted(set(tensor_proto.NUMBERS) - {"float16", "bfloat16"}))
def test_typed_contents_get_typed_contents(dtype: str) -> None:
    x, datatype = values(dtype), datatypes.NAMES[dtype]
    family = {"bool": "bool", "string": "bytes", "float32": "fp32", "float64": "fp64",
              "int64": "int64", "uint64": "uint64"}  # fmt: skip
    field = family.get(dtype, "uint" if dtype.startswith("u") else "int") + "_contents"
    one = {"name": "x", "datatype": datatype, "shape": x.shape,
           "contents": {field: x.ravel().tolist()}}  # fmt: skip
    context = Context(serving(dtype=dtype), preview=False, seconds=None)
    data = REQUEST(model_name="m", inputs=[one]).SerializeToString()
    found = RESPONSE.FromString(asyncio.run(Inference().infer(context, data)))
    assert list(getattr(found.outputs[0].contents, field)) == x.ravel().tolist()
    assert not found.raw_output_contents


SIZES = st.lists(st.sampled_from([0, 1, 2, 3, -1, 2**31, 2**62]), max_size=5)
PROTOS = st.fixed_dictionaries(
    {"dtype": st.sampled_from([*tensor_proto.NUMBERS.values(), 0, 8, 99])},
    optional={
        "tensor_shape": SIZES.map(lambda sizes: {"dim": [{"size": size} for size in sizes]}),
        "tensor_content": st.binary(max_size=40),
        "float_val": st.lists(st.floats(width=32), max_size=5),
        "int_val": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5),
        "half_val": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5),
        "string_val": st.lists(st.binary(max_size=4), max_size=5),
        "bool_val": st.lists(st.booleans(), max_size=5),
    },
)
INPUTS = st.fixed_dictionaries(
    {"name": st.sampled_from(["x", "y"]),
     "datatype": st.sampled_from([*datatypes.NAMES.values(), ""]), "shape": SIZES},
    optional={"contents": st.fixed_dictionaries({}, optional={
        "fp32_contents": st.lists(st.floats(width=32), max_size=5),
        "int_contents": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5),
        "bytes_contents": st.lists(st.binary(max_size=4), max_size=5)}),
        "parameters": st.just({"shared_memory_region": {"string_param": "r"}})},
)  # fmt: skip


def check_told_plainly(call: Callable[[], Any]) -> None:
    """Raises unless there is an answer, or what a client may be told is wrong with its request."""
    with contextlib.suppress(errors.InvalidInput, errors.NotFound):
        asyncio.run(call())


@settings(max_examples=150, deadline=None)
@given(dtype=st.sampled_from(list(tensor_proto.NUMBERS)), x=PROTOS, noise=st.binary(max_size=9))
def test_no_tensor_proto_is_a_defect(dtype: str, x: dict[str, Any], noise: bytes) -> None:
    context = Context(serving(dtype=dtype), preview=False, seconds=None)
    data = PREDICT_REQUEST(model_spec={"name": "m"}, inputs={"x": x}).SerializeToString()
    check_told_plainly(lambda: prediction.predict(context, data))
    check_told_plainly(lambda: prediction.predict(context, data[: len(noise) - 12] + noise))


@settings(max_examples=150, deadline=None)
@given(
    dtype=st.sampled_from(list(tensor_proto.NUMBERS)), inputs=st.lists(INPUTS, max_size=2),
    raw=st.lists(st.binary(max_size=40), max_size=2), noise=st.binary(max_size=9),
)  # fmt: skip
def test_no_inference_request_is_a_defect(
    dtype: str, inputs: list[dict[str, Any]], raw: list[bytes], noise: bytes
) -> None:
    context = Context(serving(dtype=dtype), preview=False, seconds=None)
    request = REQUEST(model_name="m", inputs=inputs, raw_input_contents=raw)
    data = request.SerializeToString()
    check_told_plainly(lambda: Inference().infer(context, data))
    check_told_plainly(lambda: Inference().infer(context, data[: len(noise) - 12] + noise))


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_an_answer_put_together_by_hand_is_the_message_that_it_stands_for(size: int) -> None:
    value = np.arange(size, dtype=np.uint8)
    outputs = [("y", "UINT8", value), ("words", "BYTES", np.array([b"a" * 300], object))]
    heads = infer_answer.Heads()
    for asked in ("", "an id", "ü" * 100):
        found = RESPONSE.FromString(heads.raw("m", "1", asked, outputs))
        wanted = RESPONSE(
            model_name="m",
            model_version="1",
            id=asked,
            outputs=[
                {"name": "y", "datatype": "UINT8", "shape": [size]},
                {"name": "words", "datatype": "BYTES", "shape": [1]},
            ],
            raw_output_contents=[value.tobytes(), (300).to_bytes(4, "little") + b"a" * 300],
        )
        assert found == wanted
