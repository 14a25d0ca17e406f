"""Whatever JSON comes, a tensor is read exactly or refused: nothing else may happen."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.core.tensors import Tensor
from registry.errors import InvalidInput
from runtime.backends.protocol import NUMPY_TYPES
from runtime.protocols import json_faults, json_tensors, predict_request

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=3)
    | st.fixed_dictionaries({"b64": st.text(max_size=4)})
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abx"), inner),
    max_leaves=20,
)
DTYPES = st.sampled_from(sorted(NUMPY_TYPES))
RELAXED = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(VALUES, DTYPES)
def test_any_value_is_read_exactly_or_refused(value: object, dtype: str) -> None:
    try:
        found = json_tensors.array(value, Tensor("x", dtype, None))
    except InvalidInput:
        return
    assert found.dtype == np.dtype(NUMPY_TYPES[dtype])
    if "int" in dtype or dtype == "bool":
        assert found.tolist() == value


NUMBERS = st.one_of(
    st.integers(-200, 300),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([2**8 + 1, 2**24, 2**24 + 1, 2**53 + 1, 2**63, -(2**63), 1e39, 65520.0]),
)


@RELAXED
@given(VALUES | st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=4)), DTYPES)
def test_the_quick_way_to_read_a_tensor_sees_what_the_careful_one_sees(
    value: object, dtype: str
) -> None:
    seen = []
    for read in (json_tensors.reader(json.dumps(value).encode()), json_tensors.array):
        try:
            found = read(value, Tensor("x", dtype, None))
            seen.append((found.dtype.str, found.shape, str(found.tolist())))
        except InvalidInput as refused:
            seen.append(("refused", (), refused.detail))
    assert seen[0] == seen[1]


def test_text_among_numbers_costs_no_room_for_the_longest_in_each_place() -> None:
    value = ["a" * 1_000_000, *["b"] * 30_000]  # 112 GiB, if numpy is asked to make an array of it
    with pytest.raises(InvalidInput, match="not of expected type"):
        json_tensors.quick(value, Tensor("x", "float32", None))


@RELAXED
@given(st.dictionaries(st.sampled_from(["instances", "inputs", "other"]), VALUES))
def test_any_request_is_read_or_refused(document: dict[str, object]) -> None:
    tensors = [Tensor("a", "float32", None), Tensor("b", "string", None)]
    for wanted in (tensors, tensors[:1]):
        try:
            if predict_request.is_row_format(document):
                found = predict_request.rows(document, wanted, read=json_tensors.array)
            else:
                found = predict_request.columns(document, wanted, read=json_tensors.array)
        except InvalidInput:
            continue
        assert sorted(found) == [tensor.name for tensor in wanted]


@RELAXED
@given(st.binary(max_size=40) | st.text(alphabet='{}[]":,0.eE+-NaInfity', max_size=40))
def test_any_body_is_an_object_or_refused(body: bytes | str) -> None:
    try:
        found = json_tensors.loads(body if isinstance(body, bytes) else body.encode())
    except InvalidInput:
        return
    assert isinstance(found, dict)


@RELAXED
@given(st.lists(st.floats(width=32), min_size=1))
def test_floats_survive_the_way_out_and_in(values: list[float]) -> None:
    sent = np.array(values, dtype=np.float32)
    written = json_tensors.dumps({"inputs": json_tensors.values("y", sent)}, sent)
    read = json_tensors.array(
        json_tensors.loads(written)["inputs"], Tensor("x", "float32", (None,))
    )
    assert np.array_equal(read, sent, equal_nan=True)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_integers_up_to_the_mantissa_are_floats_and_larger_ones_are_not(dtype: str) -> None:
    bits = {"float16": 11, "float32": 24, "float64": 53}[dtype]
    tensor = Tensor("x", dtype, None)
    assert json_tensors.array([2**bits - 1], tensor).tolist() == [2**bits - 1]
    with pytest.raises(InvalidInput, match="without loss of precision"):
        json_tensors.array([2**bits], tensor)
    assert json_tensors.array([float(2**15)], tensor).tolist() == [2**15]


def test_a_long_value_is_shown_cut() -> None:
    assert len(json_faults.shown(["x" * 50] * 50)) < 250
    assert json_faults.shown(json.loads("[1e400]")) == "[Infinity]"
