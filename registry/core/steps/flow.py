"""Which tensor goes where: follows names, types and shapes through the steps and the model.

What passes here can be run; what does not names the step and the tensor. The result is what
clients see.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.core.steps import FILE, kinds
from registry.core.steps.document import Steps
from registry.core.steps.kinds import (
    ArgMax,
    DecodeImage,
    Labels,
    Normalise,
    Softmax,
    Step,
    Tokenise,
    TopK,
)
from registry.core.tensors import UNKNOWN, Signature, Tensor
from registry.errors import InvalidInput

_FLOATS = {"float16", "float32", "float64"}
_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


@dataclass(frozen=True, slots=True)
class Flow:
    """`signature` is what clients see; `widths` has, for each output of `labels`, how many lines
    its file must have at least, where the model says so."""

    signature: Signature
    widths: Mapping[str, int]


@dataclass(slots=True)
class _Known:
    """What has been made so far. `classes` says how many values positions can have."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def add(self, tensor: Tensor, by: str) -> None:
        if tensor.name in self.tensors:
            raise InvalidInput(
                f"{FILE}: {by} gives {tensor.name!r}, which there is already",
                fix="give every tensor a name of its own",
            )
        self.tensors[tensor.name] = tensor

    def take(self, name: str, by: str) -> Tensor:
        if name not in self.tensors:
            raise InvalidInput(
                f"{FILE}: {by} takes {name!r}, which nothing before it gives",
                fix=f"there are {', '.join(sorted(self.tensors))}",
            )
        self.used.add(name)
        return self.tensors[name]


def follow(steps: Steps, model: Signature) -> Flow:
    """Raises `InvalidInput` where the steps and the model's own signature do not fit."""
    known = _Known()
    for tensor in steps.inputs:
        known.add(tensor, "inputs")
    for number, step in enumerate(steps.before):
        _through(step, known, f"before[{number}]")
    for wanted in model.inputs:
        _require_same(known.take(wanted.name, "the model"), wanted)
    for tensor in model.outputs:
        known.add(tensor, "the model")
    for number, step in enumerate(steps.after):
        _through(step, known, f"after[{number}]")
    outputs = tuple(known.take(name, "outputs") for name in steps.outputs)
    if len(set(steps.outputs)) != len(outputs):
        raise InvalidInput(f"{FILE}: 'outputs' names a tensor twice")
    _require_used(steps, known)
    widths = {
        step.output: known.classes[step.input]
        for step in (*steps.before, *steps.after)
        if isinstance(step, Labels) and step.input in known.classes
    }
    return Flow(Signature(steps.inputs, outputs), widths)


def _require_used(steps: Steps, known: _Known) -> None:
    """A name that leads nowhere is a slip of the pen, and would be found out by nobody."""
    before = [tensor.name for tensor in steps.inputs]
    before += [name for step in steps.before for name in kinds.gives(step)[:1]]
    for name in before:
        if name not in known.used:
            raise InvalidInput(
                f"{FILE}: {name!r} is used by nothing",
                fix="leave it out, or write its name where it should go",
            )


def _require_same(found: Tensor, wanted: Tensor) -> None:
    if UNKNOWN not in {found.dtype, wanted.dtype} and found.dtype != wanted.dtype:
        raise InvalidInput(
            f"{FILE}: the model wants {wanted.name!r} as {wanted.dtype}, it is {found.dtype}",
            fix="say another 'dtype' in the step that makes it",
        )
    ours, theirs = found.shape, wanted.shape
    if ours is None or theirs is None:
        return
    if len(ours) != len(theirs) or not all(
        None in pair or pair[0] == pair[1] for pair in zip(ours, theirs, strict=True)
    ):
        raise InvalidInput(
            f"{FILE}: the model wants {wanted.name!r} with the shape {_printed(theirs)}, "
            f"it has {_printed(ours)}"
        )


def _through(step: Step, known: _Known, by: str) -> None:
    given = known.take(step.input, by)
    match step:
        case DecodeImage():
            _require(given, {"string"}, by, rank=1)
            height, width = step.size
            channels = 1 if step.mode == "L" else 3
            behind = (
                (channels, height, width) if step.layout == "NCHW" else (height, width, channels)
            )
            known.add(Tensor(step.output, "uint8", (_rows(given), *behind)), by)
        case Tokenise():
            _require(given, {"string"}, by, rank=1)
            length = step.length if step.padding == "length" else None
            for name in kinds.gives(step):
                known.add(Tensor(name, step.dtype, (_rows(given), length)), by)
        case Normalise():
            _require(given, _FLOATS | _INTEGERS, by)
            _require_channels(step, given, by)
            known.add(Tensor(step.output, step.dtype, given.shape), by)
        case Softmax():
            _require(given, _FLOATS, by, least=2)
            known.add(Tensor(step.output, given.dtype, given.shape), by)
        case ArgMax() | TopK():
            _require(given, _FLOATS | _INTEGERS, by, least=2)
            _chosen(step, given, known, by)
        case Labels():
            _require(given, _INTEGERS, by)
            known.add(Tensor(step.output, "string", given.shape), by)


def _chosen(step: ArgMax | TopK, given: Tensor, known: _Known, by: str) -> None:
    shape = given.shape
    width = shape[-1] if shape else None
    match step:
        case ArgMax():
            positions = step.output
            known.add(Tensor(positions, "int64", None if shape is None else shape[:-1]), by)
        case TopK():
            if width is not None and step.k > width:
                raise InvalidInput(f"{FILE}: {by} wants {step.k} of the {width} of {given.name!r}")
            positions = step.indices
            found = None if shape is None else (*shape[:-1], step.k)
            known.add(Tensor(step.values, given.dtype, found), by)
            known.add(Tensor(positions, "int64", found), by)
    if width is not None:
        known.classes[positions] = width


def _require(
    given: Tensor, dtypes: set[str], by: str, *, rank: int | None = None, least: int = 1
) -> None:
    if given.dtype not in dtypes | {UNKNOWN}:
        raise InvalidInput(
            f"{FILE}: {by} takes {given.name!r}, which is {given.dtype}",
            fix=f"it must be {', '.join(sorted(dtypes))}",
        )
    if given.shape is None:
        return
    if len(given.shape) < least or (rank is not None and len(given.shape) != rank):
        wanted = f"{rank} axis" if rank is not None else f"{least} axes or more"
        raise InvalidInput(
            f"{FILE}: {by} takes {given.name!r}, whose shape is {_printed(given.shape)}, "
            f"it must have {wanted}"
        )


def _require_channels(step: Normalise, given: Tensor, by: str) -> None:
    count = max(len(step.mean), len(step.std))
    if count == 1 or given.shape is None:
        return
    rank = len(given.shape)
    if not -rank < step.axis < rank or given.shape[step.axis] not in {None, count}:
        raise InvalidInput(
            f"{FILE}: {by} has {count} means or deviations for axis {step.axis} of "
            f"{given.name!r}, whose shape is {_printed(given.shape)}"
        )


def _rows(given: Tensor) -> int | None:
    return given.shape[0] if given.shape else None


def _printed(shape: tuple[int | None, ...]) -> str:
    return "[" + ",".join("-1" if size is None else str(size) for size in shape) + "]"
