"""TensorFlow Serving's predict request: `instances` (rows) or `inputs` (columns), never both."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from registry.core.tensors import Tensor
from registry.errors import InvalidInput
from runtime.backends.protocol import DEFAULT_CALL, Array, Offered
from runtime.protocols import (
    json_buffers,
    json_faults,
    json_forms,
    json_strings,
    json_tensors,
)
from runtime.protocols.json_forms import Cut, Forms
from runtime.protocols.json_tensors import Reader

# So soon a request begins with its numbers, if there is nothing in it but them.
_BEGINNING = 64
_single_rows = Forms[int]()


def signature_name(document: dict[str, Any]) -> str:
    """What stands in `signature_name`; empty where nothing does."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidInput(
            f"JSON Value: {json_faults.shown(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name


def call_name(document: dict[str, Any], backend: Offered) -> str:
    """Which of the model's signatures is called."""
    name = signature_name(document) or DEFAULT_CALL
    if name not in backend.calls:
        raise InvalidInput(f'Serving signature name: "{name}" not found in signature def')
    return name


# A tuple, as in `http`.
class Read(NamedTuple):
    """A whole request: the signature it calls, its inputs, and whether they came as rows."""

    call: str
    inputs: dict[str, Array]
    is_rows: bool


def read(body: bytes, backend: Offered) -> Read:
    """Raises `InvalidInput`."""
    found = _numbers(body, backend)
    if found is not None:
        return Read(DEFAULT_CALL, found, is_rows=True)
    document, reader = json_tensors.loads(body), json_tensors.reader(body)
    call = call_name(document, backend)
    tensors = backend.calls[call].signature.inputs
    if is_row_format(document):
        return Read(call, rows(document, tensors, read=reader), is_rows=True)
    return Read(call, columns(document, tensors, read=reader), is_rows=False)


def _numbers(body: bytes, backend: Offered) -> dict[str, Array] | None:
    """The one input of a request that is rows of plain numbers and nothing else, for the default
    signature; None for any other."""
    call = backend.calls.get(DEFAULT_CALL)
    if call is None or len(call.signature.inputs) != 1:
        return None
    (tensor,) = call.signature.inputs
    exact = json_tensors.EXACT_INTEGERS.get(tensor.dtype)
    cut = json_forms.cut(body, body.rfind(b"[", 0, _BEGINNING))
    depth = None if cut is None else _single_rows.find(cut)
    if cut is not None and depth is not None:
        found = json_buffers.numbers(cut.numbers, tensor.dtype, limit=exact)
        if found is not None:
            return {tensor.name: found.reshape((1,) * depth + found.shape)}
    found = json_buffers.rows(body, tensor.dtype, limit=exact)
    if found is None:
        return None
    if cut is not None:
        _single_rows.learn(cut, partial(_depth, cut))
    return {tensor.name: found}


def _depth(cut: Cut) -> int | None:
    """In how many lists the numbers are that `instances` has; None where it has more than them."""
    document = json_forms.probed(cut)
    is_rows = isinstance(document, dict) and list(document) == ["instances"]
    return json_forms.probe_depth(document["instances"]) if is_rows else None


def is_row_format(document: dict[str, Any]) -> bool:
    """Whether it has `instances`; raises `InvalidInput` unless it has exactly one of the two."""
    if "instances" in document and "inputs" in document:
        raise InvalidInput(
            f"JSON Value: {json_faults.shown(document)} Not formatted correctly expecting only "
            "one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" not in document and "inputs" not in document:
        raise InvalidInput("Missing 'inputs' or 'instances' key")
    return "instances" in document


def columns(
    document: dict[str, Any], tensors: Sequence[Tensor], *, read: Reader
) -> dict[str, Array]:
    """The arrays of `inputs`."""
    value = document["inputs"]
    if isinstance(value, dict) and not json_strings.is_bytes(value):
        return {tensor.name: read(_named(value, tensor), tensor)
                for tensor in tensors}  # fmt: skip
    if len(tensors) > 1:
        raise InvalidInput(
            "inputs is a plain value/list, but expecting an object as multiple "
            "input tensors required as per tensorinfo_map"
        )
    return {tensor.name: read(value, tensor) for tensor in tensors}


def rows(document: dict[str, Any], tensors: Sequence[Tensor], *, read: Reader) -> dict[str, Array]:
    """The arrays of `instances`: each element is one row of every input."""
    instances = document["instances"]
    if not isinstance(instances, list):
        raise InvalidInput(
            f"JSON Value: {json_faults.shown(document)} Excepting 'instances' to be an list/array"
        )
    if not instances:
        raise InvalidInput(
            f"JSON Value: {json_faults.shown(document)} No values in 'instances' array"
        )
    if _is_object(instances[0]):
        return _named_rows(instances, tensors, read)
    return _plain_rows(instances, tensors, read)


def _plain_rows(instances: list[Any], tensors: Sequence[Tensor], read: Reader) -> dict[str, Array]:
    if len(tensors) > 1:
        raise InvalidInput(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    try:
        return {tensor.name: read(instances, tensor) for tensor in tensors}
    except InvalidInput as error:
        for position, element in enumerate(instances):
            if _is_object(element):
                raise InvalidInput(
                    f"Expecting value/list but got object at item {position} of input list"
                ) from error
        position, fault = json_faults.element_fault(instances, tensors[0])
        raise InvalidInput(
            f"Failed to process element: {position} of 'instances' list. "
            f"Error: INVALID_ARGUMENT: {fault.detail}"
        ) from error


def _named_rows(instances: list[Any], tensors: Sequence[Tensor], read: Reader) -> dict[str, Array]:
    wanted = {tensor.name for tensor in tensors}
    for position, element in enumerate(instances):
        _require_keys(position, element, wanted)
    found = {}
    for tensor in tensors:
        values = [element[tensor.name] for element in instances]
        try:
            found[tensor.name] = read(values, tensor)
        except InvalidInput as error:
            position, fault = json_faults.element_fault(values, tensor)
            raise InvalidInput(
                f"Failed to process element: {position} key: {tensor.name} of 'instances' list. "
                f"Error: INVALID_ARGUMENT: {fault.detail}"
            ) from error
    return found


def _require_keys(position: int, element: object, wanted: set[str]) -> None:
    if not isinstance(element, dict) or json_strings.is_bytes(element):
        raise InvalidInput(f"Expecting object but got list at item {position} of input list")
    for name in element:
        if name not in wanted:
            raise InvalidInput(
                f"Failed to process element: {position} key: {name} of 'instances' list. Error: "
                f"INVALID_ARGUMENT: JSON object: does not have named input: {name}"
            )
    if element.keys() != wanted:
        raise InvalidInput(
            f"Failed to process element: {position} of 'instances' list. "
            f"JSON object: {json_faults.shown(element)} "
            f"keys must be equal to: {','.join(sorted(wanted))}"
        )


def _named(value: dict[str, Any], tensor: Tensor) -> object:
    if tensor.name not in value:
        raise InvalidInput(f"Missing named input: {tensor.name} in 'inputs' object.")
    return value[tensor.name]


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and not json_strings.is_bytes(value)
