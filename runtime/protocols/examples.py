"""tf.Examples: read from JSON as TensorFlow Serving's json_tensor.cc does, and written as protobuf.

An Example is features by name, each a list of bytes, of floats or of whole numbers. The few lines
that write one are here so that a host that speaks HTTP alone needs no protobuf library.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from registry.core.tensors import Tensor
from registry.errors import InvalidInput
from runtime.protocols import json_faults, json_strings

_LENGTH_DELIMITED = 2
_LISTS = {"bytes": 1, "float": 2, "int64": 3}
_LARGEST_FLOAT = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Feature:
    """`kind` is bytes, float or int64, and empty where there are no values."""

    kind: str
    values: Sequence[Any]


Example = Mapping[str, Feature]
NOTHING = Feature("", ())


def read(document: Mapping[str, Any]) -> list[Example]:
    """The `examples` of a classify or regress request, with its `context` in each of them."""
    context = _example(document["context"]) if "context" in document else {}
    if "examples" not in document:
        raise _fault(document, "When method is classify, key 'examples' is expected and was "
                               "not found")  # fmt: skip
    given = document["examples"]
    if not isinstance(given, list):
        raise _fault(document, "Expecting 'examples' value to be an list/array")
    if not given:
        raise _fault(document, "'examples' value is an empty array")
    found = [_example(value) for value in given]
    return [{**context, **example} for example in found] if context else found


def serialized(example: Example) -> bytes:
    """tensorflow.Example; features in their order."""
    entries = (
        _field(1, _field(1, name.encode()) + _field(2, _feature(feature)))
        for name, feature in example.items()
    )
    return _field(1, b"".join(entries))


def _example(value: object) -> Example:
    if not isinstance(value, dict):
        raise InvalidInput(f"Example must be JSON object but got JSON {json_faults.kind(value)}")
    return {name: _read_feature(name, content) for name, content in value.items()}


def _read_feature(name: str, content: object) -> Feature:
    values: list[Any] = content if isinstance(content, list) else [content]
    kinds = set(map(type, values))
    if kinds == {float} and all(map(_is_float, values)):
        return Feature("float", values)
    if kinds <= {int, bool} and all(-(2**63) <= value < 2**63 for value in values):
        return Feature("int64", [*map(int, values)]) if values else NOTHING
    return _one_by_one(name, values)


def _one_by_one(name: str, values: Iterable[Any]) -> Feature:
    """Slowly, for texts, and for the first fault."""
    kind, found = "", []
    for value in values:
        one, plain = _value(name, value)
        if kind not in ("", one):
            raise InvalidInput(f"Unexpected element type in feature: {name} expecting type: {kind}")
        kind = one
        found.append(plain)
    return Feature(kind, found)


def _value(name: str, value: Any) -> tuple[str, object]:
    match value:
        case int():  # a boolean is one
            if not -(2**63) <= int(value) < 2**63:
                raise InvalidInput(f"Feature: {name} has uint64 element. Only int64 is supported.")
            return "int64", int(value)
        case float():
            if not _is_float(value):
                raise json_faults.fault(value, Tensor(name, "float32", ()))
            return "float", value
        case str() | dict() if isinstance(value, str) or json_strings.is_bytes(value):
            try:
                return "bytes", json_strings.encoded(value)
            except ValueError as error:
                raise json_faults.fault(value, Tensor(name, "string", ())) from error
    raise InvalidInput(
        f"Feature: {name} has element with unexpected JSON type: {json_faults.kind(value)}"
    )


def _is_float(value: float) -> bool:
    """Whether it fits in one; NaN and the infinities do."""
    return not _LARGEST_FLOAT < abs(value) < float("inf")


def _fault(document: Mapping[str, Any], text: str) -> InvalidInput:
    return InvalidInput(f"JSON Value: {json_faults.shown(document)} {text}")


def _feature(feature: Feature) -> bytes:
    match feature.kind:
        case "bytes":
            data = b"".join(_field(1, item) for item in feature.values)
        case "float":
            data = _field(1, np.asarray(feature.values, "<f4").tobytes())
        case "int64":
            data = _field(1, bytes(chain.from_iterable(map(_varint, feature.values))))
        case _:
            return b""
    return _field(_LISTS[feature.kind], data)


def _field(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | _LENGTH_DELIMITED, *_varint(len(data)))) + data


def _varint(value: int) -> list[int]:
    """Seven bits a byte, the lowest first; a negative number as its 64 bits."""
    left, found = value & 2**64 - 1, []
    while left >= 0x80:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    return [*found, left]
