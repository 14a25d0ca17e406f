"""tf.Examples: out of JSON, onto the wire and back, and into a model's inputs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput
from runtime.backends.protocol import Call
from runtime.protocols import example_inputs, examples, json_tensors
from runtime.protocols.examples import Feature
from runtime.protocols.grpc import classify_regress, messages

EXAMPLE = messages.of("tensorflow.Example")
FEATURES = st.one_of(
    st.builds(Feature, st.just("bytes"), st.lists(st.binary(max_size=200), min_size=1)),
    st.builds(
        Feature, st.just("float"), st.lists(st.floats(width=32, allow_nan=False), min_size=1)
    ),
    st.builds(Feature, st.just("int64"), st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1)),
    st.just(examples.NOTHING),
)


@given(st.dictionaries(st.text(max_size=40), FEATURES))
def test_what_is_written_is_what_protobuf_reads(example: dict[str, Feature]) -> None:
    data = examples.serialized(example)
    read = classify_regress._features(data)
    assert {name: (one.kind, list(one.values)) for name, one in read.items()} == {
        name: (one.kind, list(one.values)) for name, one in example.items()
    }


@given(st.binary(max_size=100))
def test_whatever_bytes_come_as_an_example_are_read_or_refused(data: bytes) -> None:
    try:
        read = classify_regress._features(data)
    except InvalidInput:
        return
    assert all(one.kind in {"", "bytes", "float", "int64"} for one in read.values())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["x", "b64"]), inner),
        max_leaves=6,
    )
)
def test_whatever_json_comes_as_examples_is_read_or_refused(value: Any) -> None:
    try:
        rows = examples.read({"examples": value})
    except InvalidInput:
        return
    for row in rows:
        made = EXAMPLE.FromString(examples.serialized(row))
        assert made.features.feature.keys() == row.keys()


def test_a_context_is_in_every_example_and_gives_way_to_its_own() -> None:
    rows = examples.read({"context": {"a": 1, "b": "x"}, "examples": [{"c": 0.5}, {"a": 2}]})
    assert [row["a"].values for row in rows] == [[1], [2]]
    assert [row["b"].values for row in rows] == [[b"x"], [b"x"]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"{}", "When method is classify, key 'examples' is expected and was not found"),
        (b'{"examples": {}}', "Expecting 'examples' value to be an list/array"),
        (b'{"examples": []}', "'examples' value is an empty array"),
        (b'{"examples": [1]}', "Example must be JSON object but got JSON Number"),
        (b'{"context": null, "examples": []}', "Example must be JSON object but got JSON Null"),
        (b'{"examples": [{"x": null}]}', "Feature: x has element with unexpected JSON type: Null"),
        (b'{"examples": [{"x": [[1]]}]}',
         "Feature: x has element with unexpected JSON type: Array"),
        (b'{"examples": [{"x": {"b64": 1}}]}',
         "Feature: x has element with unexpected JSON type: Object"),
        (b'{"examples": [{"x": [1, 0.5]}]}',
         "Unexpected element type in feature: x expecting type: int64"),
        (b'{"examples": [{"x": ["a", 1]}]}',
         "Unexpected element type in feature: x expecting type: bytes"),
        (b'{"examples": [{"x": 9223372036854775808}]}',
         "Feature: x has uint64 element. Only int64 is supported."),
        (b'{"examples": [{"x": 1e39}]}', "to float without loss of precision."),
        (b'{"examples": [{"x": {"b64": "*"}}]}', "Unable to base64 decode"),
        (b'{"examples": [{"\\ud800": NaN}]}', "The surrogate pair in string is invalid."),
    ],
)  # fmt: skip
def test_what_is_no_example_is_refused_in_tensorflow_servings_words(body: bytes, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        examples.read(json_tensors.loads(body))
    assert said in refused.value.detail


def call(**shapes: tuple[str, tuple[int | None, ...] | None]) -> Call:
    inputs = tuple(Tensor(name, dtype, shape) for name, (dtype, shape) in shapes.items())
    return Call(Signature(inputs, ()), "", tuple(shapes), ())


def fed(one: Call, *rows: dict[str, Any], limit: int = 1000) -> dict[str, Any]:
    return example_inputs.by_feature(one, examples.read({"examples": [*rows]}), limit=limit)


def test_inputs_are_made_of_the_features_of_their_names() -> None:
    one = call(
        a=("float32", (None, 2)), b=("int8", (None,)), c=("string", (None, None)),
        d=("bfloat16", (None, 1, None)), e=("bool", None),
    )  # fmt: skip
    row = {"a": [1, 2], "b": -3, "c": ["x", "y"], "d": [0.5, 2.0], "e": True, "unknown": 1}
    found = fed(one, row, row)
    assert {name: array.shape for name, array in found.items()} == {
        "a": (2, 2), "b": (2,), "c": (2, 2), "d": (2, 1, 2), "e": (2, 1),
    }  # fmt: skip
    assert found["a"].tolist() == [[1.0, 2.0]] * 2
    assert found["b"].tolist() == [-3, -3]
    assert found["c"].tolist() == [[b"x", b"y"]] * 2
    assert found["e"].dtype == np.bool_


@pytest.mark.parametrize(
    ("dtype", "shape", "rows", "said"),
    [
        ("float32", (None, 2), [{"x": [1, 2]}, {}], "Example 1 has no feature 'x'"),
        ("float32", (None, 2), [{"x": [1, 2]}, {"x": [1]}], ("Example 1: feature 'x' has 1 values, "
                                                            "must have 2")),
        ("float32", (None, None, None), [{"x": 1}], "cannot be made of a feature with 1 values"),
        ("float32", (), [{"x": 1}], "has no first dimension"),
        ("float32", (None,), [{"x": 2**24 + 1}], "does not fit in the input's float32"),
        ("float16", (None,), [{"x": 1e6}], "does not fit in the input's float16"),
        ("int8", (None,), [{"x": 200}], "does not fit in the input's int8"),
        ("uint64", (None,), [{"x": -1}], "does not fit in the input's uint64"),
        ("int8", (None,), [{"x": 0.5}], "feature 'x' is of type float, the input is int8"),
        ("string", (None,), [{"x": 1}], "feature 'x' is of type int64, the input is string"),
        ("float64", (None, 100), [{"x": [0.5] * 100}] * 2, "above the limit of 1000 bytes"),
    ],
)  # fmt: skip
def test_features_that_do_not_fit_are_named(
    dtype: str, shape: tuple[int | None, ...], rows: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        fed(call(x=(dtype, shape)), *rows)
    assert said in refused.value.detail


def test_a_context_does_not_grow_beyond_the_limit() -> None:
    with pytest.raises(InvalidInput, match="above the limit of 1000 bytes"):
        example_inputs.packed([b""] * 101, context=bytes(10), limit=1000)
    assert example_inputs.packed([b"b"], context=b"a", limit=2).tolist() == [b"ab"]
