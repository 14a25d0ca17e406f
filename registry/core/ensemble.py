"""`plimsoll_ensemble.json`: a model that is made of others, each pinned by version and digest.

As Triton's `ensemble_scheduling`: a step names a member and maps its tensors to the ensemble's.
Steps stand in an order in which they can run, so a cycle is a tensor that nothing before it gives;
and no ensemble can be a part of itself, since it would have to know its own digest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from registry.core import digest, fields, names, tensors
from registry.core.canonical import Json
from registry.core.tensors import UNKNOWN, Signature, Tensor
from registry.errors import InvalidInput

FILE = "plimsoll_ensemble.json"
FORMAT = "ensemble"
LARGEST_FILE = 256 << 10
_FIELDS = {"version", "inputs", "outputs", "steps"}
_STEP_FIELDS = {"model", "version", "digest", "inputMap", "outputMap"}
_MOST = 64
_LONGEST_NAME = 256


@dataclass(frozen=True, slots=True)
class Member:
    """A version of another model."""

    model: str
    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"


@dataclass(frozen=True, slots=True)
class Step:
    """Both maps go from the member's names to the ensemble's."""

    member: Member
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ensemble:
    """`signature` is what clients see."""

    signature: Signature
    steps: tuple[Step, ...]

    @property
    def members(self) -> tuple[Member, ...]:
        """Each of them once."""
        return tuple(dict.fromkeys(step.member for step in self.steps))

    def waves(self) -> tuple[tuple[Step, ...], ...]:
        """Steps that can run at the same time, in turns."""
        made = dict.fromkeys((tensor.name for tensor in self.signature.inputs), 0)
        found: list[list[Step]] = []
        for step in self.steps:
            turn = max((made[name] for name in step.inputs.values()), default=0)
            if turn == len(found):
                found.append([])
            found[turn].append(step)
            made |= dict.fromkeys(step.outputs.values(), turn + 1)
        return tuple(map(tuple, found))


def parse(data: bytes) -> Ensemble:
    """The content of the file; raises `InvalidInput` that names the step and the tensor."""
    document = fields.first_version(data, _FIELDS, most=LARGEST_FILE, what=FILE)
    listed = fields.objects(document, "steps", what=FILE)
    if not 0 < len(listed) <= _MOST:
        raise InvalidInput(f"{FILE}: {len(listed)} steps, must be 1 to {_MOST}")
    steps = tuple(_step(item, f"{FILE}: steps[{number}]") for number, item in enumerate(listed))
    found = Ensemble(_signature(document), steps)
    _follow(found)
    return found


def require_fit(ensemble: Ensemble, members: Mapping[Member, Signature]) -> None:
    """Raises `InvalidInput` where a member takes or gives another than what is declared."""
    known = {tensor.name: tensor for tensor in ensemble.signature.inputs}
    for step in ensemble.steps:
        own = members[step.member]
        _require_names(step, "inputMap", step.inputs, own.inputs)
        _require_names(step, "outputMap", step.outputs, own.outputs)
        if missing := [one.name for one in own.inputs if one.name not in step.inputs]:
            raise InvalidInput(f"{FILE}: {step.member} wants {missing[0]!r}, which is not mapped")
        for tensor in own.inputs:
            _require_same(known[step.inputs[tensor.name]], tensor, f"{step.member} takes")
        known |= {
            step.outputs[tensor.name]: replace(tensor, name=step.outputs[tensor.name])
            for tensor in own.outputs
            if tensor.name in step.outputs
        }
    for tensor in ensemble.signature.outputs:
        _require_same(known[tensor.name], tensor, "it declares")


def _follow(found: Ensemble) -> None:
    """Every name is given once, before it is taken, and for somebody."""
    given = [tensor.name for tensor in found.signature.inputs]
    for number, step in enumerate(found.steps):
        for name in step.inputs.values():
            if name not in given:
                raise InvalidInput(
                    f"{FILE}: steps[{number}] ({step.member}) takes {name!r}, which nothing "
                    "before it gives",
                    fix="list the steps in the order in which they run, without a cycle",
                )
        given += step.outputs.values()
    outputs = {tensor.name for tensor in found.signature.outputs}
    if lost := outputs - set(given):
        raise InvalidInput(f"{FILE}: the output {min(lost)!r} is given by no step")
    taken = outputs.union(*(step.inputs.values() for step in found.steps))
    for name in given:
        if given.count(name) > 1:
            raise InvalidInput(f"{FILE}: {name!r} is given twice")
        if name not in taken:
            raise InvalidInput(f"{FILE}: {name!r} is used by nothing", fix="leave it out")


def _signature(document: dict[str, Json]) -> Signature:
    for side in ("inputs", "outputs"):
        listed = fields.objects(document, side, what=FILE)
        if not 0 < len(listed) <= _MOST:
            raise InvalidInput(f"{FILE}: {side!r} lists {len(listed)}, must be 1 to {_MOST}")
        for number, item in enumerate(listed):
            where = f"{FILE}: {side}[{number}]"
            fields.refuse_unknown(item, {"name", "dtype", "shape"}, what=where)
            _name(fields.text(item, "name", what=where), where)
            fields.sequence(item, "shape", what=where)
    try:
        found = tensors.signature(document)
    except InvalidInput as error:
        raise InvalidInput(f"{FILE}: {error.detail}") from error
    for tensor in (*found.inputs, *found.outputs):
        if tensor.dtype == UNKNOWN:
            raise InvalidInput(f"{FILE}: {tensor.name!r} must have a type")
    return found


def _step(item: dict[str, Json], where: str) -> Step:
    fields.refuse_unknown(item, _STEP_FIELDS, what=where)
    try:
        member = Member(
            names.slug(fields.text(item, "model", what=where)),
            names.version(item.get("version")),
            digest.parse(item.get("digest")),
        )
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.detail}", fix=error.fix) from error
    return Step(member, _map(item, "inputMap", where), _map(item, "outputMap", where))


def _map(item: dict[str, Json], field: str, where: str) -> dict[str, str]:
    given = fields.mapping(item, field, what=where)
    if not 0 < len(given) <= _MOST:
        raise InvalidInput(f"{where}: {field!r} maps {len(given)} tensors, must be 1 to {_MOST}")
    found = {
        _name(name, where): _name(fields.text(given, name, what=f"{where}: {field}"), where)
        for name in given
    }
    if field == "outputMap" and len(set(found.values())) != len(found):
        raise InvalidInput(f"{where}: 'outputMap' gives one name to two tensors")
    return found


def _name(found: str, where: str) -> str:
    if not 0 < len(found) <= _LONGEST_NAME or not found.isprintable():
        raise InvalidInput(f"{where}: {found[:40]!r} is no tensor's name")
    return found


def _require_names(
    step: Step, field: str, mapped: Mapping[str, str], own: Sequence[Tensor]
) -> None:
    there = [tensor.name for tensor in own]
    for name in mapped:
        if name not in there:
            raise InvalidInput(
                f"{FILE}: {field} of {step.member} names {name!r}, which that model has not",
                fix=f"it has {', '.join(there)}",
            )


def _require_same(found: Tensor, wanted: Tensor, who: str) -> None:
    fits = UNKNOWN in {found.dtype, wanted.dtype} or found.dtype == wanted.dtype
    if found.shape is not None and wanted.shape is not None:
        fits = (
            fits
            and len(found.shape) == len(wanted.shape)
            and all(
                None in pair or pair[0] == pair[1]
                for pair in zip(found.shape, wanted.shape, strict=True)
            )
        )
    if not fits:
        raise InvalidInput(
            f"{FILE}: {who} {wanted.name!r} as {_shown(wanted)}, and gets {found.name!r} as "
            f"{_shown(found)}"
        )


def _shown(tensor: Tensor) -> str:
    if tensor.shape is None:
        return f"{tensor.dtype} of any shape"
    return f"{tensor.dtype}[{','.join('-1' if n is None else str(n) for n in tensor.shape)}]"
