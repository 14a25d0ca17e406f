"""Asks a version about many samples in binary tensors of the Open Inference Protocol: bytes as
they lie in memory, both ways. JSON of the same takes several times as long as most models do."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reconciler import probe
from reconciler.core.golden import Golden
from reconciler.trials.subject import Target
from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json

_DTYPES: dict[str, str] = {
    "BOOL": "?", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip
_WHAT = "answer to an inference"
_FIRST = 64
_LARGEST = 4096
_LARGEST_BYTES = 4 << 20
_QUICK_S, _SLOW_S = 0.25, 5.0

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Plan:
    """`inputs` are encoded for the model; of `output` the bytes come back. A batch has `fixed`
    samples where the model was made for just so many."""

    inputs: tuple[tuple[str, str, Array], ...]
    output: str
    fixed: int | None

    @property
    def row_bytes(self) -> int:
        """Of one sample, all inputs together."""
        return max(sum(values[:1].nbytes for _, _, values in self.inputs), 1)

    def request(self, start: int, end: int) -> tuple[bytes, bytes]:
        """The JSON of the samples from `start` to `end`, and the tensors that follow it."""
        inputs: list[Json] = []
        tensors: list[bytes] = []
        for name, datatype, values in self.inputs:
            part = values[start:end].tobytes()
            inputs.append(
                {
                    "name": name,
                    "datatype": datatype,
                    "shape": [end - start, *values.shape[1:]],
                    "parameters": {"binary_data_size": len(part)},
                }
            )
            tensors.append(part)
        wanted: Json = [{"name": self.output, "parameters": {"binary_data": True}}]
        head = canonical.encode({"inputs": inputs, "outputs": wanted})
        return head, b"".join(tensors)


def answers(target: Target, data: Golden, *, output: str | None) -> Array:
    """The tensor `output`, or the only one there is, for all samples.

    Raises `errors.Unavailable` where the version does not answer, and `errors.InvalidInput` where
    it takes other inputs or tells other outputs than the template says.
    """
    with target.speaking() as asked:
        plan = _plan(asked.tensors(target.model, target.version), data, output)
        return np.concatenate([*_batches(asked, target, plan, len(data.labels))])


def _batches(asked: probe.Probe, target: Target, plan: _Plan, samples: int) -> Iterator[Array]:
    """Larger ones while they are quick: what a request costs by itself should not matter."""
    most = max(min(_LARGEST, _LARGEST_BYTES // plan.row_bytes), 1)
    size, start = plan.fixed or min(_FIRST, most), 0
    while start < samples:
        end = min(start + size, samples)
        head, tensors = plan.request(start, end)
        begun = time.perf_counter()
        answer = asked.infer(target.model, target.version, head, tensors)
        yield _output(*answer, plan.output, end - start)
        took, start = time.perf_counter() - begun, end
        if plan.fixed is None:
            size = min(2 * size, most) if took < _QUICK_S else size
            size = max(size // 2, 1) if took > _SLOW_S else size


def _plan(described: dict[str, Json], data: Golden, output: str | None) -> _Plan:
    inputs = fields.objects(described, "inputs", what="model metadata")
    declared = {fields.text(one, "name", what="model metadata"): one for one in inputs}
    encoded, fixed = [], None
    for tensor in data.tensors:
        name = tensor.name or _only(declared, "input", "name each input in spec.dataset.inputs")
        if name not in declared:
            raise errors.InvalidInput(
                f"the model has no input {name!r}", fix=f"it has: {', '.join(sorted(declared))}"
            )
        datatype = fields.text(declared[name], "datatype", what="model metadata")
        first = fields.sequence(declared[name], "shape", what="model metadata")[:1]
        if first and isinstance(first[0], int) and first[0] > 0:
            fixed = first[0]
        encoded.append((name, datatype, _encoded(tensor.values, datatype, name)))
    outputs = [
        fields.text(one, "name", what="model metadata")
        for one in fields.objects(described, "outputs", what="model metadata")
    ]
    return _Plan(tuple(encoded), _chosen(outputs, output), fixed)


def _chosen(outputs: list[str], output: str | None) -> str:
    if output is None:
        if len(outputs) == 1:
            return outputs[0]
    elif output in outputs:
        return output
    raise errors.InvalidInput(
        f"the model answers with {sorted(outputs)}, none of which is the answer",
        fix="name the right one in spec.output of the AcceptanceTemplate",
    )


def _only(declared: dict[str, dict[str, Json]], what: str, fix: str) -> str:
    if len(declared) != 1:
        raise errors.InvalidInput(f"the model has {len(declared)} of {what}", fix=fix)
    return next(iter(declared))


def _encoded(values: Array, datatype: str, name: str) -> Array:
    """As the model takes them; a whole number that does not fit is no sample for this model."""
    if datatype == "BF16":
        return (values.astype("<f4").view("<u4") >> 16).astype("<u2")
    if datatype not in _DTYPES:
        raise errors.InvalidInput(f"input {name!r} is of {datatype}, which is not of numbers")
    dtype = np.dtype(_DTYPES[datatype])
    found = np.ascontiguousarray(values.astype(dtype))
    if dtype.kind in "iub" and not np.array_equal(found, values):
        raise errors.InvalidInput(
            f"input {name!r} is of {datatype}, and the golden data has other numbers",
            fix="correct dtype in spec.dataset.inputs, or the data",
        )
    return found


def _output(document: dict[str, Json], body: memoryview, name: str, samples: int) -> Array:
    for one in fields.objects(document, "outputs", what=_WHAT):
        if one.get("name") != name:
            continue
        datatype = fields.text(one, "datatype", what=_WHAT)
        shape = [*fields.sequence(one, "shape", what=_WHAT)]
        sizes = [size for size in shape if isinstance(size, int) and size >= 0]
        if len(sizes) != len(shape) or sizes[:1] != [samples]:
            raise errors.InvalidInput(f"the answers to {samples} samples have the shape {shape}")
        if datatype != "BF16" and datatype not in _DTYPES:
            raise errors.InvalidInput(f"output {name!r} is of {datatype}, not of numbers")
        dtype = np.dtype(_DTYPES.get(datatype, "<u2"))
        if len(body) != math.prod(sizes) * dtype.itemsize:
            raise errors.Unavailable(f"{_WHAT} has {len(body)} bytes for the shape {shape}")
        found = np.frombuffer(body, dtype).reshape(sizes)
        return (found.astype("<u4") << 16).view("<f4") if datatype == "BF16" else found
    raise errors.Unavailable(f"{_WHAT} has no output {name!r}")
