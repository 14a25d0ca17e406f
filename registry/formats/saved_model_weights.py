"""Where the variables of a SavedModel lie: in variables/, by its index. The graph is not touched.

Each entry of the index has a checksum over its tensor's bytes, and each block of the index one
over its entries: both follow the weights. fingerprint.pb names the checkpoint that was exported,
no engine checks it, and it stays. Formats: tensorflow/core/protobuf/tensor_bundle.proto.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Never

from registry.formats import carriers, detect, table, wire
from registry.formats.carriers import Claim
from registry.formats.model import Model
from registry.formats.refusal import unsafe
from registry.formats.weights import CRC32C, WIDTHS, Checksum, Place, WeightMap

INDEX = detect.SAVED_MODEL_INDEX
MAX_INDEX = 64 << 20
_MAX_SHARDS = 99_999
# tensorflow/core/framework/types.proto
_DTYPES = {1: "float32", 2: "float64", 14: "bfloat16", 19: "float16"}
# tensor_bundle.proto: of the header, then of an entry.
_SHARDS, _ENDIANNESS, _VERSION = 1, 2, 3
_DTYPE, _SHAPE, _SHARD_ID, _OFFSET, _SIZE, _SUM, _SLICES = 1, 2, 3, 4, 5, 6, 7
_FORMS = {_SHAPE: wire.LENGTH, _SLICES: wire.LENGTH, _SUM: wire.FIXED32}
_AGAIN = "export the model again with tf.saved_model.save or keras model.export"


@dataclass(frozen=True, slots=True)
class _Variable:
    """`checksum` is where in the index it stands; None where there is none."""

    claim: Claim
    checksum: int | None
    block: table.Block


def find(asked: Model) -> WeightMap:
    """Raises UnsafeModel, naming the file, the variable and what to do."""
    if INDEX not in asked.sizes:
        return WeightMap({})
    index = asked.opened[INDEX]
    if index.size > MAX_INDEX:
        raise unsafe(INDEX, f"{index.size} bytes, over {MAX_INDEX}", fix=_AGAIN)
    try:
        variables = list(_variables(index.message(), asked.sizes))
    except wire.Broken as broken:
        raise unsafe(INDEX, f"an entry is damaged: {broken}", fix=_AGAIN) from broken
    _require_apart(variables)
    runs = carriers.runs(one.claim for one in variables)
    marked = {(path, run.offset) for path, listed in runs.items() for run in listed}
    touched = [one for one in variables if (one.claim.path, one.claim.offset) in marked]
    return WeightMap(runs, (*map(_of_tensor, touched), *_of_blocks(touched)))


def _variables(data: memoryview, sizes: Mapping[str, int]) -> Iterator[_Variable]:
    entries = table.entries(INDEX, data)
    header = next(entries, None)
    if header is None or header.key != b"":
        _refuse("it has no header")
    said = _numbers(header.value, {_VERSION: wire.LENGTH})
    if said.get(_ENDIANNESS, (0, 0))[0] != 0:
        _refuse("its numbers are big-endian")
    shards = _shards(min(said.get(_SHARDS, (0, 0))[0], _MAX_SHARDS), sizes)
    for entry in entries:
        yield _variable(entry, shards, sizes)


def _shards(count: int, sizes: Mapping[str, int]) -> list[str]:
    found = [f"variables/variables.data-{number:05d}-of-{count:05d}" for number in range(count)]
    there = [path for path in sizes if path.startswith("variables/variables.data-")]
    if not set(found) <= set(there):
        _refuse(f"it is of {count} data file(s), there are {len(there)}")
    return found


def _variable(entry: table.Entry, shards: list[str], sizes: Mapping[str, int]) -> _Variable:
    # Slices of a partitioned variable have keys that are no text.
    name = entry.key.decode("utf-8", "backslashreplace")
    said = _numbers(entry.value, _FORMS)
    number, shard, offset, size = (
        said.get(one, (0, 0))[0] for one in (_DTYPE, _SHARD_ID, _OFFSET, _SIZE)
    )
    if shard >= len(shards):
        _refuse(f"variable {name[:80]!r} is in data file {shard} of {len(shards)}")
    path = shards[shard]
    if offset + size > sizes[path]:
        _refuse(
            f"variable {name[:80]!r}: bytes {offset} to {offset + size} of {path}, which has only "
            f"{sizes[path]}"
        )
    dtype = _DTYPES.get(number, f"type {number}")
    shape = _shape(entry.value, name)
    is_whole = _SLICES not in said
    if dtype in WIDTHS and is_whole and carriers.byte_count(dtype, shape) != size:
        _refuse(f"variable {name[:80]!r} of shape {list(shape)[:8]} in {size} bytes of {dtype}")
    at = said.get(_SUM)
    claim = Claim(name, dtype, shape if is_whole else (), path, offset, offset + size)
    return _Variable(claim, None if at is None else entry.at + at[1], entry.block)


def _numbers(value: bytes, forms: Mapping[int, int]) -> dict[int, tuple[int, int]]:
    """Each field's number, and where it stands in `value`; only slices may be there twice."""
    found: dict[int, tuple[int, int]] = {}
    for one in wire.fields(memoryview(value)):
        if one.number in found and one.number != _SLICES:
            _refuse("an entry says something twice")
        if one.wire_type != forms.get(one.number, wire.VARINT):
            _refuse("an entry is written in a way that TensorFlow does not")
        found[one.number] = (one.value, one.at)
    return found


def _shape(value: bytes, name: str) -> tuple[int, ...]:
    view, sizes = memoryview(value), []
    for one in wire.fields(view):
        if one.number != _SHAPE:
            continue
        for dimension in wire.fields(view[one.at : one.at + one.value]):
            if (dimension.number, dimension.wire_type) != (2, wire.LENGTH):
                _refuse(f"the rank of variable {name[:80]!r} is not known")
            start = one.at + dimension.at
            inner = [f for f in wire.fields(view[start : start + dimension.value]) if f.number == 1]
            sizes.append(inner[-1].value if inner else 0)
    if any(size >= 1 << 62 for size in sizes):
        _refuse(f"variable {name[:80]!r} has an impossible shape")
    return tuple(sizes)


def _require_apart(variables: list[_Variable]) -> None:
    """TensorFlow writes each variable's bytes once, and no other's into them."""
    claims = [one.claim for one in variables if one.claim.stop > one.claim.offset]
    claims.sort(key=lambda claim: (claim.path, claim.offset))
    for left, right in pairwise(claims):
        if left.path == right.path and left.stop > right.offset:
            _refuse(
                f"variables {left.name[:80]!r} and {right.name[:80]!r} overlap in {left.path}, "
                f"from byte {right.offset} on"
            )


def _of_tensor(one: _Variable) -> Checksum:
    if one.checksum is None:
        _refuse(f"variable {one.claim.name[:80]!r} has no checksum")
    claim = one.claim
    return Checksum(CRC32C, claim.path, claim.offset, claim.stop, (Place(INDEX, one.checksum),))


def _of_blocks(touched: list[_Variable]) -> Iterator[Checksum]:
    for block in dict.fromkeys(one.block for one in touched):
        place = Place(INDEX, block.checksum)
        yield Checksum(CRC32C, INDEX, block.start, block.checksum, (place,))


def _refuse(what: str) -> Never:
    raise unsafe(INDEX, what, fix=_AGAIN)
