"""The document as a whole: what clients send, what is done before and after, what they get."""

from dataclasses import dataclass

from registry.core import fields, tensors
from registry.core.canonical import Json
from registry.core.steps import FILE, LARGEST_FILE, kinds, reading
from registry.core.steps.kinds import Step
from registry.core.tensors import UNKNOWN, Tensor
from registry.errors import InvalidInput

_FIELDS = {"version", "inputs", "before", "after", "outputs"}
_MOST = 32


@dataclass(frozen=True, slots=True)
class Steps:
    """`before` and `after` the model, in order. `outputs` are names, in the order of answers."""

    inputs: tuple[Tensor, ...]
    before: tuple[Step, ...]
    after: tuple[Step, ...]
    outputs: tuple[str, ...]

    @property
    def files(self) -> frozenset[str]:
        """The files of the version that they read."""
        found = {kinds.file_of(step) for step in (*self.before, *self.after)}
        return frozenset(found - {""})

    @property
    def is_exposed(self) -> bool:
        """Whether a library that parses whatever clients send is at work in one of them."""
        return any(map(kinds.is_exposed, (*self.before, *self.after)))


def parse(data: bytes) -> Steps:
    """The content of the file; raises `InvalidInput` that names the file, the step, the field."""
    document = fields.first_version(data, _FIELDS, most=LARGEST_FILE, what=FILE)
    outputs = fields.sequence(document, "outputs", what=FILE)
    _require_few(outputs, "outputs")
    return Steps(
        _inputs(document),
        _steps(document, "before"),
        _steps(document, "after"),
        tuple(reading.tensor_name({"outputs": one}, "outputs", FILE) for one in outputs),
    )


def _inputs(document: dict[str, Json]) -> tuple[Tensor, ...]:
    listed = fields.objects(document, "inputs", what=FILE)
    _require_few(listed, "inputs")
    for number, item in enumerate(listed):
        where = f"{FILE}: inputs[{number}]"
        fields.refuse_unknown(item, {"name", "dtype", "shape"}, what=where)
        reading.tensor_name(item, "name", where)
        fields.sequence(item, "shape", what=where)
    try:
        found = tensors.signature({"inputs": [*listed], "outputs": []}).inputs
    except InvalidInput as error:
        raise InvalidInput(f"{FILE}: inputs: {error.detail}") from error
    for tensor in found:
        if tensor.dtype == UNKNOWN or not tensor.shape:
            raise InvalidInput(
                f"{FILE}: input {tensor.name!r} must have a type and an axis of rows",
                fix="write for example 'dtype': 'string', 'shape': [null]",
            )
    return found


def _steps(document: dict[str, Json], name: str) -> tuple[Step, ...]:
    if name not in document:
        return ()
    listed = fields.objects(document, name, what=FILE)
    if len(listed) > _MOST:
        raise InvalidInput(f"{FILE}: {len(listed)} steps in {name!r}, at most {_MOST} are allowed")
    return tuple(
        reading.parse(item, where=f"{FILE}: {name}[{number}]") for number, item in enumerate(listed)
    )


def _require_few(listed: list[Json] | list[dict[str, Json]], name: str) -> None:
    if not 0 < len(listed) <= _MOST:
        raise InvalidInput(f"{FILE}: {name!r} lists {len(listed)} tensors, must be 1 to {_MOST}")
