"""Where the weights of a TorchScript archive lie: in its data/ and constants/ records.

A checkpoint of `torch.save` has its weights found the same way, though nobody may publish one.
Tensors that share a storage are marked as the storage is, once. A tensor whose elements do not
lie one behind the other has no run, unless another that does is over the same bytes. Each marked
record's CRC-32 follows it; .data/serialization_id, which nobody checks, stays.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping

from registry.formats import carriers, torch_checkpoint, torchscript
from registry.formats.carriers import Claim
from registry.formats.model import Model
from registry.formats.refusal import unsafe
from registry.formats.torch_pickle import Built
from registry.formats.torch_tensors import BYTES, Weight
from registry.formats.weights import CRC32, MAX_NAME, Checksum, Place, Run, WeightMap
from registry.formats.zip_archive import Archive, Record

_BYTE_ORDER = "byteorder"


def find(asked: Model) -> WeightMap:
    """Raises UnsafeModel, naming the tensor and what to do."""
    head = asked.head.path
    parts = _parts(asked)
    if _BYTE_ORDER in parts.records:
        order = parts.archive.read(parts.records[_BYTE_ORDER], 16).decode(errors="replace")
        if order.strip() != "little":
            raise unsafe(
                head, f"its numbers are {order[:16]}-endian", fix="save it on a current machine"
            )
    names = _names(parts)
    claims = (_claim(head, parts.records, weight, names) for weight in parts.weights)
    runs = carriers.runs(claims)
    return WeightMap(runs, tuple(_checksums(head, parts.records, runs)))


def _parts(asked: Model) -> torchscript.Parts:
    head, archive = asked.head.path, Archive(asked.head)
    if torchscript.has_program(torchscript.in_one_folder(head, archive)):
        return torchscript.take_apart(asked)[0]
    return torch_checkpoint.take_apart(head, archive)


def _claim(
    head: str, records: Mapping[str, Record], weight: Weight, names: Mapping[int, str]
) -> Claim:
    storage = weight.storage
    record, width = records[storage.record], BYTES[storage.dtype]
    if record.is_packed:
        raise unsafe(
            head,
            f"the weights in {storage.record[:120]!r} are packed",
            fix="save it again as PyTorch does, without packing",
        )
    begin = record.start + weight.offset * width
    stop = record.start + weight.reach * width
    shape = weight.shape if weight.is_contiguous else ()
    name = names.get(id(weight), f"{storage.record}@{weight.offset}")
    return Claim(name, storage.dtype, shape, head, begin, stop)


def _names(parts: torchscript.Parts) -> dict[int, str]:
    """Tensors by identity: the attributes that lead to each, as a state dictionary has them."""
    found: dict[int, str] = {}
    taken: set[str] = set()
    seen: set[int] = set()
    left = [
        (prefix, parts.pickles[pickle].value)
        for pickle, prefix in ((torchscript.CONSTANTS, "CONSTANTS"), (torchscript.DATA, ""))
        if pickle in parts.pickles
    ]
    while left:
        path, value = left.pop()
        if id(value) in seen or len(path) > MAX_NAME:
            continue
        seen.add(id(value))
        if isinstance(value, Weight) and path not in taken:
            found[id(value)] = path
            taken.add(path)
        inner = [(_below(path, key), one) for key, one in _inside(value)]
        left.extend(reversed(inner))
    return found


def _below(path: str, key: str) -> str:
    if key in torch_checkpoint.INNER:
        return path
    return f"{path}.{key}" if path else key


def _inside(value: object) -> Iterator[tuple[str, object]]:
    match value:
        case Built(state=state):
            yield from state.items()
        case dict():
            yield from value.items()
        case list() | tuple():
            yield from ((str(place), one) for place, one in enumerate(value))
        case _:
            pass


def _checksums(
    head: str, records: Mapping[str, Record], runs: Mapping[str, tuple[Run, ...]]
) -> Iterator[Checksum]:
    """Of the records with marked weights, in their order."""
    starts = sorted(run.offset for run in runs.get(head, ()))
    for record in sorted(records.values(), key=lambda record: record.start):
        stop = record.start + record.size
        if bisect_left(starts, record.start) < bisect_left(starts, stop):
            places = tuple(Place(head, at) for at in record.checksum_at)
            yield Checksum(CRC32, head, record.start, stop, places)
