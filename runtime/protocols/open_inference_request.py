"""An inference request of the Open Inference Protocol: its JSON, and the tensors behind that.

First the JSON becomes a layout, checked against the model; then the layout cuts the tensors out
of the body, which are views into it wherever their bytes are aligned. Sizes are checked by
arithmetic before anything is allocated, so what a request can cost is what its body has.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from registry.errors import InvalidInput
from runtime.backends.protocol import Array
from runtime.inference.asked import Asked
from runtime.protocols import (
    datatypes,
    json_buffers,
    json_tensors,
    open_inference_forms,
    open_inference_json,
)
from runtime.protocols import open_inference_fields as fields
from runtime.protocols.open_inference_json import Reader
from runtime.protocols.open_inference_plan import (
    LARGEST_HEAD,
    Layout,
    Part,
    Piece,
    Plan,
    Shape,
    Wanted,
)
from runtime.protocols.open_inference_shape import checked, printed

HEAD = b"inference-header-content-length"


def head_length(headers: Mapping[bytes, bytes], size: int) -> int:
    """How many bytes of the body are JSON; all of them where the client does not say."""
    text = headers.get(HEAD)
    if text is None:
        return size
    if not text.isdigit() or len(text) > 12 or int(text) > size:
        raise InvalidInput(
            f"Inference-Header-Content-Length is {text[:40].decode('latin-1')!r}, "
            f"the body has {size} bytes"
        )
    return int(text)


def layout(plan: Plan, head: bytes) -> Layout:
    """The layout of the JSON in `head`; raises `InvalidInput`."""
    # To look a large body up would be to hash all of it, for nothing.
    found = plan.layouts.get(head) if len(head) <= LARGEST_HEAD else None
    if found is not None:
        return found
    cut = open_inference_forms.cut(head)
    found = None if cut is None else open_inference_forms.layout(plan, cut)
    if found is not None:
        return found
    found = _of_numbers(plan, head)
    if found is None:
        found = _layout(plan, _document(head), open_inference_json.reader(head))
    plan.remember(head, found)
    if cut is not None:
        open_inference_forms.learn(plan, cut, found)
    return found


def _of_numbers(plan: Plan, head: bytes) -> Layout | None:
    """The layout of JSON whose inputs are plain numbers that fit; None for any other."""
    document = json_buffers.document(head, (part.datatype for part in plan.inputs.values()))
    try:
        return None if document is None else _layout(plan, document, _numbers)
    except InvalidInput:
        return None  # the careful way says what is wrong, in the words that clients know


def _numbers(item: dict[str, Any], part: Part, shape: Shape) -> Array:
    return json_buffers.tensor(item["data"], part.tensor.dtype, shape)


def raw(plan: Plan, size: int) -> Layout:
    """The layout of a body that is one tensor and nothing else; raises `InvalidInput`.

    One free dimension takes what there is; with several the first is a batch of one.
    """
    if len(plan.inputs) != 1:
        raise InvalidInput(
            f"a raw binary request must be for a model with one input, "
            f"'{plan.model}' has {len(plan.inputs)}"
        )
    (part,) = plan.inputs.values()
    if part.is_string:
        raise InvalidInput("BYTES have no shape in a raw binary request: send it with its JSON")
    shape = _raw_shape(part, size)
    piece = Piece(part, shape, math.prod(shape), 0, size)
    return Layout((piece,), {}, size, plan.binary, ())


def asked(plan: Plan, found: Layout, body: bytes, start: int) -> Asked:
    """The inference that is wanted; the tensors begin in `body` at `start`."""
    if len(body) - start != found.size:
        raise InvalidInput(
            f"{len(body) - start} bytes of tensors came, the inputs' 'binary_data_size' say "
            f"{found.size}"
        )
    inputs = dict(found.given)
    for piece in found.pieces:
        inputs[piece.part.tensor.name] = _array(piece, body, start)
    return Asked(plan.call, inputs, found.outputs, found.priority, found.timeout_seconds)


def _array(piece: Piece, body: bytes, start: int) -> Array:
    part = piece.part
    if part.is_string:
        data = memoryview(body)[start + piece.start : start + piece.end]
        return datatypes.strings(data, piece.shape, what=f"input '{part.tensor.name}'")
    found: Array = np.frombuffer(body, part.dtype, piece.count, start + piece.start)
    if not found.flags.aligned:
        found = found.copy()  # engines read whole elements at a time
    if part.datatype == "BOOL" and (found.view(np.uint8) > 1).any():
        raise InvalidInput(f"input '{part.tensor.name}' has a BOOL that is neither 0 nor 1")
    return found.reshape(piece.shape)


def _document(head: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(head)
    except orjson.JSONDecodeError as error:
        found = _with_nan(head, error)
    if not isinstance(found, dict):
        raise InvalidInput("failed to parse the request JSON buffer: it is not an object")
    return found


def _with_nan(head: bytes, error: orjson.JSONDecodeError) -> object:
    try:
        return json_tensors.loads(head)
    except InvalidInput:
        raise InvalidInput(f"failed to parse the request JSON buffer: {error}") from error


def _layout(plan: Plan, document: dict[str, Any], read: Reader) -> Layout:
    parameters = fields.parameters(document, "the request")
    pieces: list[Piece] = []
    given: dict[str, Array] = {}
    seen: set[str] = set()
    end = 0
    for item in fields.objects(document, "inputs"):
        part, shape = _input(plan, item, seen)
        size = _binary_size(item, part)
        if size is None:
            given[part.tensor.name] = read(item, part, shape)
            continue
        pieces.append(_piece(part, shape, start=end, size=size))
        end += size
    if len(seen) != len(plan.inputs):
        missing = next(name for name in plan.inputs if name not in seen)
        raise InvalidInput(
            f"expected {len(plan.inputs)} inputs but got {len(seen)} inputs for model "
            f"'{plan.model}': input '{missing}' is missing"
        )
    wanted = _wanted(plan, document, is_binary=fields.flag(parameters, "binary_data_output"))
    outputs = tuple(one.part.tensor.name for one in wanted) if document.get("outputs") else ()
    timeout = fields.whole(parameters, "timeout")
    return Layout(
        tuple(pieces), given, end, wanted, outputs, fields.identifier(document),
        fields.whole(parameters, "priority"), timeout / 1e6 if timeout else None,
        any(one.classes for one in wanted),
    )  # fmt: skip


def _input(plan: Plan, item: dict[str, Any], seen: set[str]) -> tuple[Part, Shape]:
    name = item.get("name")
    if not isinstance(name, str):
        raise InvalidInput("an input has no 'name'")
    part = plan.inputs.get(name)
    if part is None:
        raise InvalidInput(f"unexpected inference input '{name[:200]}' for model '{plan.model}'")
    if name in seen:
        raise InvalidInput(f"input '{name}' already exists in request")
    seen.add(name)
    datatype = item.get("datatype")
    if datatype != part.datatype:
        raise InvalidInput(
            f"inference input '{name}' data-type is '{_short(datatype)}', but model "
            f"'{plan.model}' expects '{part.datatype}'"
        )
    return part, _shape(plan, part, item.get("shape"))


def _shape(plan: Plan, part: Part, given: object) -> Shape:
    name = part.tensor.name
    if not isinstance(given, list) or not set(map(type, given)) <= {int}:
        raise InvalidInput(f"input '{name}' has no 'shape' that is a list of whole numbers")
    return checked(plan, part, given)


def _binary_size(item: dict[str, Any], part: Part) -> int | None:
    """How many bytes the input has behind the JSON; None where its data is in there."""
    name = part.tensor.name
    parameters = fields.parameters(item, f"input '{name}'") if "parameters" in item else {}
    if "shared_memory_region" in parameters:
        raise InvalidInput(f"input '{name}' is in shared memory, which is not offered here")
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise InvalidInput(f"the 'binary_data_size' of input '{name}' is not a whole number")
    if "data" in item:
        raise InvalidInput(f"input '{name}' has both 'data' and 'binary_data_size'")
    return size


def _piece(part: Part, shape: Shape, *, start: int, size: int) -> Piece:
    count = math.prod(shape)
    if not part.is_string and count * part.dtype.itemsize != size:
        raise InvalidInput(
            f"input '{part.tensor.name}' has {size} bytes, its shape {printed(list(shape))} of "
            f"{part.datatype} has {count * part.dtype.itemsize}"
        )
    return Piece(part, shape, count, start, start + size)


def _wanted(plan: Plan, document: dict[str, Any], *, is_binary: bool) -> tuple[Wanted, ...]:
    if not document.get("outputs"):
        return plan.binary if is_binary else plan.plain
    found: dict[str, Wanted] = {}
    for item in fields.objects(document, "outputs"):
        name = item.get("name")
        if not isinstance(name, str):
            raise InvalidInput("an output has no 'name'")
        if name in found:
            raise InvalidInput(f"output '{name[:200]}' already requested")
        what = f"output '{name[:200]}'"
        parameters = fields.parameters(item, what) if "parameters" in item else {}
        if "shared_memory_region" in parameters:
            raise InvalidInput(f"{what} is to go to shared memory, which is not offered here")
        chosen = (
            fields.flag(parameters, "binary_data") if "binary_data" in parameters else is_binary
        )
        found[name] = Wanted(plan.output(name), chosen, fields.whole(parameters, "classification"))
    return tuple(found.values())


def _raw_shape(part: Part, size: int) -> Shape:
    name, declared = part.tensor.name, part.tensor.shape
    if declared is None:
        raise InvalidInput(f"input '{name}' has no shape that a raw binary request could have")
    sizes = list(declared)
    if sizes.count(None) > 1 and sizes[0] is None:
        sizes[0] = 1
    if sizes.count(None) > 1:
        raise InvalidInput(f"input '{name}' has several free dimensions: send it with its JSON")
    bytes_each = part.dtype.itemsize * math.prod(one for one in sizes if one is not None)
    free = size // bytes_each if bytes_each else 0
    shape = tuple(free if one is None else one for one in sizes)
    if math.prod(shape) * part.dtype.itemsize != size:
        raise InvalidInput(
            f"{size} bytes do not fill input '{name}' of shape {printed(part.declared)} "
            f"and type {part.datatype}"
        )
    return shape


def _short(value: object) -> str:
    return str(value)[:80]
