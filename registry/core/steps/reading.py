"""How each kind of step is written; a slip in one names the step and the field."""

import math
from collections.abc import Callable, Mapping

from registry.core import fields, names
from registry.core.canonical import Json
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
from registry.errors import InvalidInput

_LARGEST_SIDE = 4096
_LARGEST_PIXELS = 100_000_000
_LONGEST_TEXT = 1 << 20
_USUAL_PIXELS = 25_000_000
_USUAL_TEXT = 64 << 10
_MOST_TOKENS = 1 << 16
_MOST_CHANNELS = 4096
_LONGEST_NAME = 256
_LARGEST_NUMBER = 1e30


def parse(item: dict[str, Json], *, where: str) -> Step:
    """One step; raises `InvalidInput`."""
    kind = fields.text(item, "kind", what=where)
    if kind not in _KINDS:
        raise InvalidInput(
            f"{where}: kind {kind[:40]!r} is not known", fix=f"use one of {', '.join(_KINDS)}"
        )
    known, reader = _KINDS[kind]
    fields.refuse_unknown(item, {"kind", *known.split()}, what=f"{where} ({kind})")
    return reader(item, f"{where} ({kind})")


def tensor_name(item: dict[str, Json], field: str, where: str) -> str:
    """A name of a tensor."""
    found = fields.text(item, field, what=where)
    if not 0 < len(found) <= _LONGEST_NAME or not found.isprintable():
        raise InvalidInput(f"{where}: {field!r} is {found[:40]!r}, which is no tensor's name")
    return found


def _decode_image(item: dict[str, Json], where: str) -> Step:
    resize: int | tuple[int, int] | None = None
    if isinstance(item.get("resize"), list):
        resize = _pair(item, "resize", where)
    elif "resize" in item:
        resize = _whole(item, "resize", where, most=_LARGEST_SIDE)
    crop = _pair(item, "crop", where) if "crop" in item else None
    size = crop or resize
    if not isinstance(size, tuple):
        raise InvalidInput(
            f"{where}: images would keep sizes of their own",
            fix="say 'resize': [height, width], or 'crop': [height, width]",
        )
    room = (resize, resize) if isinstance(resize, int) else resize
    if crop is not None and room is not None and (crop[0] > room[0] or crop[1] > room[1]):
        raise InvalidInput(f"{where}: 'crop' {list(crop)} is larger than 'resize'")
    return DecodeImage(
        tensor_name(item, "input", where),
        tensor_name(item, "output", where),
        _one_of(item, "mode", where, ("RGB", "L")),
        _one_of(item, "layout", where, ("NCHW", "NHWC")),
        size,
        resize,
        crop,
        _one_of(item, "resample", where, ("bilinear", "bicubic", "nearest", "box")),
        _whole(item, "maxPixels", where, most=_LARGEST_PIXELS, usual=_USUAL_PIXELS),
    )


def _tokenise(item: dict[str, Json], where: str) -> Step:
    return Tokenise(
        tensor_name(item, "input", where),
        tensor_name(item, "ids", where),
        tensor_name(item, "mask", where) if "mask" in item else "",
        tensor_name(item, "types", where) if "types" in item else "",
        _file(item, where, usual="tokenizer.json"),
        _whole(item, "length", where, most=_MOST_TOKENS),
        _one_of(item, "padding", where, ("length", "longest")),
        _one_of(item, "dtype", where, ("int64", "int32")),
        _whole(item, "maxBytes", where, most=_LONGEST_TEXT, usual=_USUAL_TEXT),
    )


def _normalise(item: dict[str, Json], where: str) -> Step:
    mean, std = _numbers(item, "mean", where, usual=0.0), _numbers(item, "std", where, usual=1.0)
    if len(mean) != len(std) and 1 not in {len(mean), len(std)}:
        raise InvalidInput(f"{where}: {len(mean)} means and {len(std)} standard deviations")
    if 0.0 in std:
        raise InvalidInput(f"{where}: 'std' has a zero, which everything would be divided by")
    scale = _numbers(item, "scale", where, usual=1.0)
    if len(scale) != 1:
        raise InvalidInput(f"{where}: 'scale' is one number")
    axis = fields.integer(item, "axis", what=where) if "axis" in item else -1
    if axis == 0:
        raise InvalidInput(f"{where}: 'axis' 0 is that of the rows", fix="images of NCHW have 1")
    return Normalise(
        tensor_name(item, "input", where),
        tensor_name(item, "output", where),
        scale[0],
        mean,
        std,
        axis,
        _one_of(item, "dtype", where, ("float32", "float16", "float64")),
    )


def _softmax(item: dict[str, Json], where: str) -> Step:
    return Softmax(tensor_name(item, "input", where), tensor_name(item, "output", where))


def _arg_max(item: dict[str, Json], where: str) -> Step:
    return ArgMax(tensor_name(item, "input", where), tensor_name(item, "output", where))


def _top_k(item: dict[str, Json], where: str) -> Step:
    return TopK(
        tensor_name(item, "input", where),
        tensor_name(item, "values", where),
        tensor_name(item, "indices", where),
        _whole(item, "k", where, most=1 << 20),
    )


def _labels(item: dict[str, Json], where: str) -> Step:
    return Labels(
        tensor_name(item, "input", where),
        tensor_name(item, "output", where),
        _file(item, where, usual="labels.txt"),
    )


_KINDS: Mapping[str, tuple[str, Callable[[dict[str, Json], str], Step]]] = {
    "decodeImage": (
        "input output mode layout resize crop resample maxPixels", _decode_image
    ),
    "tokenise": ("input ids mask types file length padding dtype maxBytes", _tokenise),
    "normalise": ("input output scale mean std axis dtype", _normalise),
    "softmax": ("input output", _softmax),
    "argmax": ("input output", _arg_max),
    "topK": ("input values indices k", _top_k),
    "labels": ("input output file", _labels),
}  # fmt: skip


def _whole(
    item: dict[str, Json], name: str, where: str, *, most: int, usual: int | None = None
) -> int:
    if usual is not None and name not in item:
        return usual
    found = fields.integer(item, name, what=where)
    if not 0 < found <= most:
        raise InvalidInput(f"{where}: {name!r} is {found}, must be from 1 to {most}")
    return found


def _pair(item: dict[str, Json], name: str, where: str) -> tuple[int, int]:
    found = fields.sequence(item, name, what=where)
    if len(found) != 2:
        raise InvalidInput(f"{where}: {name!r} must be [height, width]")
    height, width = (_whole({name: side}, name, where, most=_LARGEST_SIDE) for side in found)
    return height, width


def _one_of(item: dict[str, Json], name: str, where: str, among: tuple[str, ...]) -> str:
    """The first is meant where nothing is said."""
    found = fields.text(item, name, what=where) if name in item else among[0]
    if found not in among:
        raise InvalidInput(
            f"{where}: {name!r} is {found[:40]!r}", fix=f"use one of {', '.join(among)}"
        )
    return found


def _numbers(item: dict[str, Json], name: str, where: str, *, usual: float) -> tuple[float, ...]:
    given = item.get(name, usual)
    listed = given if isinstance(given, list) else [given]
    found = []
    for one in listed[: _MOST_CHANNELS + 1]:
        if isinstance(one, bool) or not isinstance(one, int | float) or abs(one) > _LARGEST_NUMBER:
            raise InvalidInput(f"{where}: {name!r} must be numbers, found {str(one)[:40]!r}")
        found.append(float(one))
    if not 0 < len(found) <= _MOST_CHANNELS or not all(map(math.isfinite, found)):
        raise InvalidInput(f"{where}: {name!r} must be 1 to {_MOST_CHANNELS} numbers")
    return tuple(found)


def _file(item: dict[str, Json], where: str, *, usual: str) -> str:
    found = fields.text(item, "file", what=where) if "file" in item else usual
    return names.file_path(found)
