"""The answer to an inference of the Open Inference Protocol: JSON, and behind it binary tensors."""

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from registry.errors import InvalidInput
from runtime.backends import bfloat16
from runtime.backends.protocol import Array, objects
from runtime.protocols import datatypes, json_tensors, open_inference_json
from runtime.protocols.http import Answer
from runtime.protocols.open_inference_plan import Head, Layout, Plan, Sizes, Wanted

_BINARY = (b"content-type", b"application/octet-stream")
_HEAD = b"inference-header-content-length"


def written(
    plan: Plan, found: Layout, outputs: Mapping[str, Array], labels: Sequence[str]
) -> Answer:
    """Raises `InvalidInput` where an output cannot be had in the form it was asked for in."""
    values = [outputs[wanted.part.tensor.name] for wanted in found.wanted]
    sizes = tuple([(value.shape, value.nbytes) for value in values])
    known = plan.heads.get(sizes)
    if known is None or known.wanted is not found.wanted or found.id is not None:
        return _written(plan, found, outputs, labels, sizes)
    parts: list[Any] = [known.json, *map(_contiguous, values)]
    return Answer(200, b"".join(parts), known.headers)


def _written(
    plan: Plan, found: Layout, outputs: Mapping[str, Array], labels: Sequence[str], sizes: Sizes
) -> Answer:
    described: list[dict[str, Any]] = []
    buffers: list[Any] = []
    numbers: list[Array] = []
    for wanted in found.wanted:
        name = wanted.part.tensor.name
        value, datatype = outputs[name], wanted.part.datatype
        if wanted.classes:
            value, datatype = classified(value, wanted, labels), "BYTES"
        output: dict[str, Any] = {"name": name, "datatype": datatype, "shape": value.shape}
        if wanted.is_binary:
            buffer = datatypes.packed(value) if value.dtype.kind == "O" else _contiguous(value)
            output["parameters"] = {"binary_data_size": _size(buffer)}
            buffers.append(buffer)
        else:
            output["data"] = open_inference_json.values(name, value)
            numbers.append(value)
        described.append(output)
    document: dict[str, Any] = {"model_name": plan.model, "model_version": plan.version}
    if found.id is not None:
        document["id"] = found.id
    document["outputs"] = described
    if not buffers:
        return Answer(200, json_tensors.dumps(document, *numbers), plan.json_headers)
    head = json_tensors.dumps(document, *numbers) if numbers else orjson.dumps(document)
    headers = (_BINARY, (_HEAD, str(len(head)).encode()), *plan.headers)
    if found.id is None and all(map(_is_plain, found.wanted)):
        plan.remember_head(sizes, Head(found.wanted, head, headers))
    return Answer(200, b"".join((head, *buffers)), headers)


def classified(value: Array, wanted: Wanted, labels: Sequence[str]) -> Array:
    """The best classes of each row as Triton writes them: `value:index`, with a label `:label`.

    Rows are along the first of several dimensions; one dimension alone is one row.
    """
    if value.dtype.kind == "O":
        raise InvalidInput(f"output '{wanted.part.tensor.name}' is of BYTES, which have no order")
    rows = bfloat16.numbers(value)
    rows = rows.reshape(len(rows), -1) if rows.ndim > 1 else rows.reshape(1, -1)
    count = min(wanted.classes, rows.shape[1])
    found = [item for row in rows.tolist() for item in _best(row, count, labels)]
    shape = (len(rows), count) if value.ndim > 1 else (count,)
    return objects(found, shape)


def _best(row: list[Any], count: int, labels: Sequence[str]) -> list[bytes]:
    found = []
    for index in heapq.nlargest(count, range(len(row)), key=row.__getitem__):
        number = f"{row[index]:f}" if isinstance(row[index], float) else str(int(row[index]))
        label = f":{labels[index]}" if index < len(labels) else ""
        found.append(f"{number}:{index}{label}".encode())
    return found


def _is_plain(wanted: Wanted) -> bool:
    """Whether its bytes are as many as its shape says, and go as they are."""
    return wanted.is_binary and not wanted.classes and not wanted.part.is_string


def _contiguous(value: Array) -> Array:
    return value if value.flags.c_contiguous else np.ascontiguousarray(value)


def _size(buffer: bytes | Array) -> int:
    return len(buffer) if isinstance(buffer, bytes) else buffer.nbytes
