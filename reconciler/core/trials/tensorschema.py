"""Whether who speaks with one signature can speak with another: what breaks clients. Pure.

Inputs may only become wider, since clients go on sending what they send; outputs only narrower,
since clients go on reading what they read. A name that is new among the outputs is no harm, but
where there was one alone: `:predict` answers with the bare value then, and with a mapping else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.core.kinds.trials import DeclaredTensor, TensorSchema
from registry.core import fields
from registry.core.canonical import Json
from registry.core.tensors import DTYPES, UNKNOWN, Signature, Tensor
from registry.errors import InvalidInput

Shape = tuple[int | None, ...]
Signatures = Mapping[str, Signature]
_WHAT = "model metadata"
_DTYPES = {
    "DT_HALF": "float16",
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    **{f"DT_{name.upper()}": name for name in DTYPES},
}
DEFAULT = "serving_default"


@dataclass(frozen=True, slots=True)
class Compared:
    """`breaks` is what clients cannot cope with, `wider` what they need not notice."""

    breaks: tuple[str, ...] = ()
    wider: tuple[str, ...] = ()

    def __add__(self, other: "Compared") -> "Compared":
        """Both."""
        return Compared(self.breaks + other.breaks, self.wider + other.wider)


@dataclass(frozen=True, slots=True)
class _Said:
    text: str
    breaks: bool = True


def signatures(document: dict[str, Json]) -> dict[str, Signature]:
    """The answer to `GET /v1/models/m/versions/v/metadata`; raises `InvalidInput`."""
    outer = fields.mapping(fields.mapping(document, "metadata", what=_WHAT), "signature_def",
                           what=_WHAT)  # fmt: skip
    inner = fields.mapping(outer, "signature_def", what=_WHAT)
    return {
        name: Signature(_tensors(inner, name, "inputs"), _tensors(inner, name, "outputs"))
        for name in inner
    }


def compared(spec: TensorSchema, candidate: Signatures, *, serving: Signatures | None) -> Compared:
    """The candidate against what is declared, and against what serves."""
    found = Compared()
    if spec.inputs is not None or spec.outputs is not None:
        found += _declared(spec, candidate)
    if spec.serving_version == "compatible" and serving is not None:
        for name, before in serving.items():
            after = candidate.get(name)
            at = "" if name == DEFAULT else f"signature {name!r}: "
            if after is None:
                found += Compared((f"signature {name!r} is gone: clients that name it fail",))
            else:
                found += _signatures(before, after, at=at, whose="clients of the serving version")
    return found


def _declared(spec: TensorSchema, candidate: Signatures) -> Compared:
    after = candidate.get(DEFAULT) or next(iter(candidate.values()), Signature((), ()))
    inputs = after.inputs if spec.inputs is None else _promised(spec.inputs)
    outputs = after.outputs if spec.outputs is None else _promised(spec.outputs)
    return _signatures(Signature(inputs, outputs), after, at="declared ", whose="clients")


def _promised(declared: Sequence[DeclaredTensor]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(one.name, one.dtype, None if one.shape is None else tuple(one.shape))
        for one in declared
    )


def _signatures(before: Signature, after: Signature, *, at: str, whose: str) -> Compared:
    said = [
        *_inputs(before.inputs, after.inputs, whose),
        *_outputs(before.outputs, after.outputs, whose),
    ]
    return Compared(
        tuple(f"{at}{one.text}" for one in said if one.breaks),
        tuple(f"{at}{one.text}" for one in said if not one.breaks),
    )


def _inputs(before: Sequence[Tensor], after: Sequence[Tensor], whose: str) -> Iterator[_Said]:
    known, now = {one.name: one for one in before}, {one.name: one for one in after}
    for name in sorted(known.keys() - now.keys()):
        yield _Said(f"input {name!r} is gone, which {whose} send{_renamed(now, known)}")
    for name in sorted(now.keys() - known.keys()):
        yield _Said(f"input {name!r} is new, which {whose} do not send{_renamed(known, now)}")
    for name in sorted(known.keys() & now.keys()):
        old, new, at = known[name], now[name], f"input {name!r}"
        if UNKNOWN not in (old.dtype, new.dtype) and old.dtype != new.dtype:
            yield _Said(f"{at} takes {new.dtype}, and {whose} send {old.dtype}")
        shapes = shown(new.shape), shown(old.shape)
        if not _within(old.shape, new.shape):
            yield _Said(f"{at} takes the shape {shapes[0]}, and {whose} send {shapes[1]}")
        elif old.shape != new.shape:
            yield _Said(f"{at} takes {shapes[0]} instead of {shapes[1]}", breaks=False)


def _outputs(before: Sequence[Tensor], after: Sequence[Tensor], whose: str) -> Iterator[_Said]:
    known, now = {one.name: one for one in before}, {one.name: one for one in after}
    for name in sorted(known.keys() - now.keys()):
        yield _Said(f"output {name!r} is gone, which {whose} read{_renamed(now, known)}")
    if known.keys() <= now.keys():
        yield from _added(sorted(known), sorted(now.keys() - known.keys()), whose)
    for name in sorted(known.keys() & now.keys()):
        old, new, at = known[name], now[name], f"output {name!r}"
        if UNKNOWN not in (old.dtype, new.dtype) and old.dtype != new.dtype:
            yield _Said(f"{at} is {new.dtype}, and {whose} read {old.dtype}")
        shapes = shown(new.shape), shown(old.shape)
        if not _within(new.shape, old.shape):
            yield _Said(f"{at} has the shape {shapes[0]}, and {whose} read {shapes[1]}")
        elif old.shape != new.shape:
            yield _Said(f"{at} is {shapes[0]}, within {shapes[1]}", breaks=False)


def _added(known: list[str], added: list[str], whose: str) -> Iterator[_Said]:
    if added and len(known) == 1:
        yield _Said(
            f"output {added[0]!r} is new where {known[0]!r} was alone: :predict answers with "
            f"names from now on, and {whose} read bare values"
        )
    else:
        yield from (_Said(f"output {name!r} is new", breaks=False) for name in added)


def _within(narrow: Shape | None, wide: Shape | None) -> bool:
    """Whether whatever has the one shape has the other too."""
    if wide is None:
        return True
    return narrow is not None and len(narrow) == len(wide) and all(
        limit in (None, size) for size, limit in zip(narrow, wide, strict=True)
    )  # fmt: skip


def _renamed(there: Mapping[str, Tensor], here: Mapping[str, Tensor]) -> str:
    """A hint, where one of one has another name now."""
    if len(there) == len(here) == 1:
        return f" (is it {next(iter(there))!r} by another name?)"
    return ""


def shown(shape: Shape | None) -> str:
    """Such as [*, 64]."""
    if shape is None:
        return "[any]"
    return f"[{', '.join('*' if size is None else str(size) for size in shape)}]"


def _tensors(defined: dict[str, Json], name: str, side: str) -> tuple[Tensor, ...]:
    found = fields.mapping(fields.mapping(defined, name, what=_WHAT), side, what=_WHAT)
    return tuple(_tensor(found, each) for each in sorted(found))


def _tensor(side: dict[str, Json], name: str) -> Tensor:
    found = fields.mapping(side, name, what=_WHAT)
    dtype = _DTYPES.get(fields.text(found, "dtype", what=_WHAT), UNKNOWN)
    shape = fields.mapping(found, "tensor_shape", what=_WHAT)
    if shape.get("unknown_rank") is True:
        return Tensor(name, dtype, None)
    dims = fields.objects(shape, "dim", what=_WHAT)
    return Tensor(name, dtype, tuple(_size(fields.text(one, "size", what=_WHAT)) for one in dims))


def _size(text: str) -> int | None:
    try:
        size = int(text)
    except ValueError as error:
        raise InvalidInput(f"{_WHAT}: {text[:40]!r} is not the size of a dimension") from error
    return None if size < 0 else size
