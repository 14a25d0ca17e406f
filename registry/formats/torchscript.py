"""TorchScript: its archive, its pickles and its code, each read on paper. PyTorch is not needed.

A checkpoint of `torch.save` has the same names and the same outer form, and is a Python pickle:
it is told apart, and refused with what to do instead.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from registry.core.canonical import Json
from registry.core.tensors import DTYPES, UNKNOWN, Signature, Tensor
from registry.formats import side_files, torch_code, torch_pickle
from registry.formats.model import Found, Model
from registry.formats.refusal import unsafe
from registry.formats.torch_pickle import Built, Read
from registry.formats.torch_tensors import Weight
from registry.formats.zip_archive import Archive, Record

MAX_PICKLE = 64 << 20
DATA, CONSTANTS = "data.pkl", "constants.pkl"
_PICKLES = re.compile(r"data\.pkl|constants\.pkl|code/.+\.py\.debug_pkl")
# Another program, in place of the code, for the interpreter of phones.
_BYTECODE = "bytecode.pkl"
# What a traced module was traced with: types and shapes, without the values.
_TRACED, _TRACED_RECORD = "traced_inputs.pkl", re.compile(r"traced_inputs/\d+")
_SOURCES = re.compile(r"code/__torch__(?:/\w+)*\.py", re.ASCII)
_WEIGHTS = re.compile(r"(?:data|constants)/[\w.]+", re.ASCII)
_NOTES = {
    "version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id",
    _TRACED,
}  # fmt: skip
_EXTRA = "extra/"
_SAVE = (
    "save the weights alone with safetensors.torch.save_model(model, 'model.safetensors'), or "
    "the whole model with torch.jit.script(model).save('model.pt') or torch.onnx.export"
)
_AGAIN = "save the model again with a current PyTorch and push that file"


@dataclass(frozen=True, slots=True)
class Parts:
    """Records by their path in the archive's one folder, and what is in its pickles."""

    archive: Archive
    records: Mapping[str, Record]
    pickles: Mapping[str, Read]

    @property
    def weights(self) -> list[Weight]:
        """Every tensor, as often as it is described."""
        return [weight for read in self.pickles.values() for weight in read.weights]


def take_apart(asked: Model) -> tuple[Parts, torch_code.Code]:
    """Raises UnsafeModel; its code is not judged by this."""
    head = asked.head.path
    archive = Archive(asked.head)
    records = in_one_folder(head, archive)
    _check_records(head, records)
    code = torch_code.parse(head, _read(archive, records, _SOURCES, torch_code.MAX_SOURCE))
    parts = Parts(archive, records, _pickles(head, archive, records, code.classes()))
    _check_used(head, records, {weight.storage.record for weight in parts.weights})
    return parts, code


def inspect(asked: Model) -> Found:
    """What the archive holds and what its forward() takes; raises UnsafeModel."""
    head = asked.head.path
    parts, code = take_apart(asked)
    archive, records, weights = parts.archive, parts.records, parts.weights
    operations = torch_code.check(head, code)
    forward = _forward(parts.pickles[DATA], code)
    traced = _traced(head, archive, records)
    dtypes = Counter(weight.storage.dtype for weight in weights)
    detail: dict[str, Json] = {
        "operations": operations,
        "tensors": len(weights),
        "parameters": sum(prod(weight.shape) for weight in weights),
        "dtypes": dict(sorted(dtypes.items())),
        "fileVersion": _note(archive, records, "version"),
        "forward": None if forward is None else _shown(forward),
    }
    return Found(_signature(forward, traced), detail, frozenset({head}))


def in_one_folder(head: str, archive: Archive) -> dict[str, Record]:
    """Records by their path in the archive's one folder, whose name is the file's."""
    folders = {name.partition("/")[0] for name in archive.records}
    if len(folders) != 1:
        raise unsafe(head, "the archive does not consist of one folder", fix=_AGAIN)
    return {name.partition("/")[2]: record for name, record in archive.records.items()}


def has_program(records: Mapping[str, Record]) -> bool:
    """Or it is what `torch.save` writes, whatever its name."""
    return CONSTANTS in records and any(name.startswith("code/") for name in records)


def _check_records(head: str, records: Mapping[str, Record]) -> None:
    if "archive_format" in records or any(name.startswith("models/") for name in records):
        raise unsafe(
            head,
            "this is a torch.export archive (.pt2), not TorchScript",
            fix="export it with torch.onnx.export and push that",
        )
    if not has_program(records):
        what = "a torch.save checkpoint, which is a Python pickle, not TorchScript"
        raise unsafe(head, f"this is {what}", fix=_SAVE)
    if _BYTECODE in records:
        raise unsafe(
            head,
            "it holds a second program, saved for the lite interpreter",
            fix="save it with torch.jit.save, not with _save_for_lite_interpreter",
        )
    for name, record in records.items():
        is_weight = _WEIGHTS.fullmatch(name) is not None
        is_extra = name.startswith(_EXTRA) and side_files.is_allowed(name)
        is_traced = _TRACED_RECORD.fullmatch(name) is not None and record.size == 0
        is_known = _PICKLES.fullmatch(name) or _SOURCES.fullmatch(name) or name in _NOTES
        if not (is_weight or is_extra or is_traced or is_known):
            raise unsafe(
                head, f"record {name[:120]!r} is not part of a TorchScript archive", fix=_AGAIN
            )
        if is_weight and record.is_packed:
            raise unsafe(head, f"the weights in {name[:120]!r} are packed", fix=_AGAIN)


def _read(
    archive: Archive, records: Mapping[str, Record], names: re.Pattern[str], most: int
) -> dict[str, bytes]:
    found = {name: record for name, record in records.items() if names.fullmatch(name)}
    return {name: archive.read(record, most) for name, record in found.items()}


def _pickles(
    head: str, archive: Archive, records: Mapping[str, Record], classes: frozenset[str]
) -> dict[str, Read]:
    if DATA not in records:
        raise unsafe(head, f"it has no {DATA}", fix=_AGAIN)
    sizes = {name: record.size for name, record in records.items()}
    found = {}
    for name, content in _read(archive, records, _PICKLES, MAX_PICKLE).items():
        tensors = "constants" if name == CONSTANTS else "data"
        scope = torch_pickle.Scope(head, name, tensors, classes, sizes)
        found[name] = torch_pickle.read(content, scope)
    return found


def _check_used(head: str, records: Iterable[str], used: set[str]) -> None:
    for name in records:
        if _WEIGHTS.fullmatch(name) and name not in used:
            raise unsafe(head, f"record {name[:120]!r} belongs to no tensor", fix=_AGAIN)


def _traced(head: str, archive: Archive, records: Mapping[str, Record]) -> list[Weight]:
    """The tensors it was traced with, in their order; none where it was not traced."""
    if _TRACED not in records:
        return []
    # Their records are empty, whatever the tensors' sizes.
    sizes = {name: 1 << 63 for name in records if _TRACED_RECORD.fullmatch(name)}
    scope = torch_pickle.Scope(head, _TRACED, "traced_inputs", frozenset(), sizes)
    return torch_pickle.read(archive.read(records[_TRACED], MAX_PICKLE), scope).weights


def _note(archive: Archive, records: Mapping[str, Record], name: str) -> str:
    content = archive.read(records[name], 64) if name in records else b""
    return content.decode(errors="replace").strip()


def _forward(data: Read, code: torch_code.Code) -> ast.FunctionDef | None:
    """Of the class of the object that the archive holds; None where it has none."""
    node = code.defined.get(data.value.of.qualified) if isinstance(data.value, Built) else None
    if not isinstance(node, ast.ClassDef):
        return None
    methods = (inner for inner in node.body if isinstance(inner, ast.FunctionDef))
    return next((method for method in methods if method.name == "forward"), None)


def _shown(forward: ast.FunctionDef) -> str:
    arguments = [_argument(one) for one in forward.args.args[1:]]
    gives = ast.unparse(forward.returns) if forward.returns else "None"
    return f"forward({', '.join(arguments)}) -> {gives}"[:2000]


def _argument(one: ast.arg) -> str:
    return f"{one.arg}: {ast.unparse(one.annotation) if one.annotation else 'Tensor'}"


def _signature(forward: ast.FunctionDef | None, traced: Sequence[Weight]) -> Signature:
    """The tensors that forward() names, of unknown types and shapes.

    Only what a module was traced with says more: the types, and how many dimensions.
    """
    if forward is None:
        return Signature((), ())
    arguments = forward.args.args[1:]
    taken = [Tensor(one.arg, UNKNOWN, None) for one in arguments if _is_tensor(one.annotation)]
    if len(traced) == len(taken) == len(arguments):
        taken = [_seen(tensor.name, weight) for tensor, weight in zip(taken, traced, strict=True)]
    match forward.returns:
        case returns if _is_tensor(returns):
            given = ["output"]
        case ast.Subscript(value=ast.Name(id="Tuple"), slice=ast.Tuple(elts=items)) if all(
            _is_tensor(item) for item in items
        ):
            given = [f"output_{place}" for place in range(len(items))]
        case _:
            given = []
    return Signature(tuple(taken), tuple(Tensor(name, UNKNOWN, None) for name in given))


def _seen(name: str, weight: Weight) -> Tensor:
    dtype = weight.storage.dtype
    return Tensor(name, dtype if dtype in DTYPES else UNKNOWN, (None,) * len(weight.shape))


def _is_tensor(kind: ast.expr | None) -> bool:
    return kind is None or ast.unparse(kind) in {"Tensor", "Optional[Tensor]"}
