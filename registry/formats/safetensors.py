"""safetensors: the header's JSON and how it maps onto the bytes behind it. No tensor is read.

Stricter than the readers: every byte belongs to exactly one tensor, so nothing can hide in the
file and no two readers can disagree on it. Format: https://github.com/huggingface/safetensors
"""

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod

from registry import errors
from registry.core import canonical
from registry.core.canonical import Json
from registry.core.tensors import Signature
from registry.formats import detect
from registry.formats.model import Found, Model, Opened
from registry.formats.refusal import unsafe

MAX_RANK = 32
MAX_NAME = 1024
_MAX_SIZE = 1 << 63
_BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32,
    "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6,
    "F6_E3M2": 6, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
}  # fmt: skip
_METADATA = "__metadata__"
_FIELDS = {"dtype", "shape", "data_offsets"}
_AGAIN = "save the weights again with safetensors' own save_file or save_model"


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of one file, which is its bytes [start, stop)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def elements(self) -> int:
        return prod(self.shape)


def inspect(asked: Model) -> Found:
    """How much weight it has, of which types. It has no call, so no inputs and no outputs."""
    head, found = asked.head.path, tensors(asked)
    entries = [entry for listed in found.values() for entry in listed]
    files = {head, *found}
    dtypes = Counter(entry.dtype for entry in entries)
    detail: dict[str, Json] = {
        "tensors": len(entries),
        "parameters": sum(entry.elements for entry in entries),
        "dtypes": dict(sorted(dtypes.items())),
        "bytes": sum(entry.stop - entry.start for entry in entries),
        "shards": max(1, len(files) - 1),
    }
    return Found(Signature((), ()), detail, frozenset(files))


def tensors(asked: Model) -> dict[str, list[Entry]]:
    """By the file they are in, in the order of their bytes; raises UnsafeModel."""
    is_index = asked.head.path.endswith(detect.SAFETENSORS_INDEX)
    paths = _indexed(asked) if is_index else [asked.head.path]
    return {path: _entries(asked.opened[path]) for path in paths}


def _indexed(asked: Model) -> list[str]:
    """The shards that the index names; it and they must agree on where each tensor is."""
    head = asked.head
    said = _weight_map(head)
    folder = posixpath.dirname(head.path)
    paths = {name: posixpath.join(folder, name) for name in set(said.values())}
    for name, path in sorted(paths.items()):
        if posixpath.basename(name) != name or path not in asked.opened:
            raise unsafe(
                head.path,
                f"its weights are in {name[:120]!r}, which was not pushed",
                fix="push the whole folder, with every shard that the index names",
            )
    held: dict[str, str] = {}
    for name, path in sorted(paths.items()):
        for entry in _entries(asked.opened[path]):
            if said.get(entry.name) != name:
                raise unsafe(
                    path,
                    f"tensor {entry.name[:80]!r} is here, but {head.path} does not say so",
                    fix=_AGAIN,
                )
            held[entry.name] = name
    for tensor in said.keys() - held.keys():
        raise unsafe(
            head.path, f"tensor {tensor[:80]!r} is not in {said[tensor][:120]!r}", fix=_AGAIN
        )
    return sorted(paths.values())


def _weight_map(head: Opened) -> dict[str, str]:
    if head.size > detect.SAFETENSORS_HEADER:
        raise unsafe(head.path, f"an index of {head.size} bytes", fix=_AGAIN)
    found = _object(head.read(0, head.size), head.path).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise unsafe(head.path, "it has no weight_map", fix=_AGAIN)
    said = {tensor: shard for tensor, shard in found.items() if isinstance(shard, str)}
    if len(said) != len(found):
        raise unsafe(head.path, "its weight_map names something that is no file", fix=_AGAIN)
    return said


def _entries(file: Opened) -> list[Entry]:
    """Every tensor of one file, in the order of their bytes; raises UnsafeModel."""
    length = int.from_bytes(file.read(0, 8), "little")
    if file.size < 8 or length > file.size - 8:
        raise unsafe(
            file.path,
            f"the file is truncated or damaged: a header of {length} bytes in a file of "
            f"{file.size}",
            fix=_AGAIN,
        )
    if length > detect.SAFETENSORS_HEADER:
        raise unsafe(
            file.path,
            f"a header of {length} bytes, over {detect.SAFETENSORS_HEADER}",
            fix="save the weights in several shards",
        )
    document = _object(file.read(8, length), file.path)
    _check_metadata(document.pop(_METADATA, {}), file.path)
    entries = [_entry(name, said, file.path) for name, said in document.items()]
    entries.sort(key=lambda entry: (entry.start, entry.stop))
    first = 8 + length
    _check_coverage(entries, file.size - first, file.path)
    return [replace(one, start=first + one.start, stop=first + one.stop) for one in entries]


def _object(data: bytes, path: str) -> dict[str, Json]:
    try:
        text = data.decode()
        document = canonical.decode_object(text, what="it")
        canonical.encode(document)  # refuses half a character, which only some readers take
    except (UnicodeDecodeError, errors.InvalidInput) as error:
        reason = getattr(error, "detail", "it is not UTF-8")
        raise unsafe(path, f"the header is damaged: {reason[:200]}", fix=_AGAIN) from error
    if not text.startswith("{"):
        raise unsafe(path, "the header does not begin with a brace", fix=_AGAIN)
    return document


def _check_metadata(found: Json, path: str) -> None:
    if not isinstance(found, dict) or any(not isinstance(text, str) for text in found.values()):
        raise unsafe(path, "its metadata is not a map of texts", fix=_AGAIN)


def _entry(name: str, said: Json, path: str) -> Entry:
    if not isinstance(said, dict) or said.keys() != _FIELDS or len(name) > MAX_NAME:
        raise unsafe(path, f"tensor {name[:80]!r} is not described as it must be", fix=_AGAIN)
    dtype, shape = said["dtype"], _counts(said["shape"], MAX_RANK)
    offsets = _counts(said["data_offsets"], 2)
    bits = _BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        raise unsafe(
            path,
            f"tensor {name[:80]!r} has the data type {str(dtype)[:40]!r}, which is not known",
            fix=f"save it as one of: {', '.join(_BITS)}",
        )
    if shape is None or offsets is None or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise unsafe(path, f"tensor {name[:80]!r} has an impossible shape or place", fix=_AGAIN)
    elements = prod(shape)
    start, stop = offsets
    if elements >= _MAX_SIZE or elements * bits != (stop - start) * 8:
        raise unsafe(
            path,
            f"tensor {name[:80]!r} of {elements} elements of {dtype} in {stop - start} bytes",
            fix=_AGAIN,
        )
    return Entry(name, str(dtype), tuple(shape), start, stop)


def _counts(found: Json, most: int) -> list[int] | None:
    if not isinstance(found, list) or len(found) > most:
        return None
    counts = [one for one in found if isinstance(one, int) and not isinstance(one, bool)]
    return counts if len(counts) == len(found) and all(0 <= n < _MAX_SIZE for n in counts) else None


def _check_coverage(entries: Iterable[Entry], size: int, path: str) -> None:
    """No hole, no overlap, nothing behind the last tensor."""
    at = 0
    for entry in entries:
        if entry.start != at:
            what = "overlaps another" if entry.start < at else f"leaves a hole at byte {at}"
            raise unsafe(path, f"tensor {entry.name[:80]!r} {what}", fix=_AGAIN)
        at = entry.stop
    if at != size:
        what = f"{size - at} bytes behind the last tensor" if at < size else "truncated"
        raise unsafe(path, f"{what}: its tensors take {at} bytes, there are {size}", fix=_AGAIN)
