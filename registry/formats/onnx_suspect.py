"""The weights of an ONNX file that somebody else made: its floats, and integers with their scales.

Integers of 8 or 4 bits are put together with the scales and zero points that the operations
around them name, or that have the names which onnxruntime's quantiser gives.
"""

from collections.abc import Iterator, Mapping
from math import prod

from registry.core.canonical import Json
from registry.formats import onnx_walk, wire
from registry.formats.model import Model
from registry.formats.onnx_walk import Node, Walk
from registry.formats.quantised import CODES, Given, Quantised, Stored
from registry.formats.refusal import unsafe
from registry.formats.weights import WIDTHS

_MOST_GIVEN = 200_000
# Operation: which inputs are codes, scale and zero point (-1: none), and the axis of many scales.
_OPERATIONS: Mapping[str, tuple[int, int, int, int]] = {
    "DequantizeLinear": (0, 1, 2, 1),
    "QLinearMatMul": (3, 4, 5, -1),
    "QLinearConv": (3, 4, 5, 0),
    "QGemm": (3, 4, 5, -1),
    "MatMulInteger": (1, -1, 3, -1),
    "ConvInteger": (1, -1, 3, 0),
    "DynamicQuantizeMatMul": (1, 2, 3, -1),
    "MatMulIntegerToFloat": (1, 3, 5, -1),
    "QAttention": (1, 4, 7, -1),
    "MatMulNBits": (1, 2, 3, 1),
    "GatherBlockQuantized": (0, 2, 3, 1),
}
_CODES, _SCALE, _ZERO = "_quantized", "_scale", "_zero_point"


def find(asked: Model) -> dict[str, Json]:
    """`floats` and `quantised`, as `registry.formats.suspect` reads them; raises UnsafeModel."""
    walk = Walk(asked)
    try:
        walk.run()
    except wire.Broken as broken:
        raise unsafe(
            asked.head.path, f"the file is damaged: {broken}", fix=onnx_walk.FIX
        ) from broken
    return {
        "floats": list(_floats(walk)),
        "quantised": [one.document() for one in _Pairing(walk).found()],
    }


def _floats(walk: Walk) -> Iterator[Json]:
    for name, held in walk.held.items():
        if held.dtype in WIDTHS and held.stored is not None and len(held.shape) >= 2:
            stored = held.stored
            yield [name, stored.path, stored.offset, held.dtype, list(held.shape)]


class _Pairing:
    """Finds for codes what they stand for."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._room = _MOST_GIVEN

    def found(self) -> Iterator[Quantised]:
        """Each of the integers once, by the first operation that says how it is meant."""
        told: set[str] = set()
        for node in self._walk.nodes:
            operation = _OPERATIONS.get(node.kind)
            name = node.input(operation[0]) if operation else ""
            codes = self._codes(name)
            if codes is not None and name not in told:
                told.add(name)
                is_blocked = node.kind == "MatMulNBits"
                found = (self._blocked if is_blocked else self._plain)(node, name, codes)
                yield from () if found is None else (found,)
        for name in self._walk.held:
            codes = self._codes(name)
            if codes is not None and name not in told and name.endswith(_CODES):
                yield self._plain(Node(), name, codes)

    def _codes(self, name: str) -> Stored | None:
        held = self._walk.held.get(name)
        is_wanted = held is not None and held.dtype in CODES and len(held.shape) >= 2
        return held.stored if held is not None and is_wanted else None

    def _plain(self, node: Node, name: str, codes: Stored) -> Quantised:
        _, scale_at, zero_at, axis = _OPERATIONS.get(node.kind, (0, -1, -1, 0))
        axis = node.integers.get("axis", node.integers.get("quantize_axis", axis))
        if node.kind == "QGemm" and node.integers.get("transB"):
            axis = 0
        rank, block = len(codes.shape), node.integers.get("block_size", 0)
        axis = min(max(axis + rank if axis < 0 else axis, 0), rank - 1)
        block = block if 0 < block < codes.shape[axis] else 0
        along = codes.shape[axis]
        wanted = prod(codes.shape) // along * -(-along // block) if block else along
        stem = name.removesuffix(_CODES)
        scale = self._numbers((node.input(scale_at), stem + _SCALE), wanted)
        zero = self._numbers((node.input(zero_at), stem + _ZERO), wanted)
        return Quantised(name, codes, scale, zero, axis, block, 0, 0)

    def _blocked(self, node: Node, name: str, codes: Stored) -> Quantised | None:
        """MatMulNBits: rows of blocks of codes, two a byte; the weights are its transposed B."""
        wide, rows = node.integers.get("K", 0), node.integers.get("N", 0)
        block, bits = node.integers.get("block_size", 0), node.integers.get("bits", 4)
        if bits not in {4, 8} or not 0 < block <= 4096 or min(wide, rows) <= 0:
            return None
        blocks = -(-wide // block)
        packed = Stored(codes.path, codes.offset, f"uint{bits}", (rows, blocks * block))
        scale = self._numbers((node.input(2),), rows * blocks)
        if packed.size != codes.size or scale is None:
            return None
        zero = self._packed(node.input(3), bits, rows, blocks)
        return Quantised(name, packed, scale, zero, 1, block, 1 << (bits - 1), wide)

    def _packed(self, name: str, bits: int, rows: int, blocks: int) -> Stored | None:
        held = self._walk.held.get(name)
        if held is None or held.stored is None or held.dtype != "uint8":
            return None
        wide = blocks + blocks % 2 if bits == 4 else blocks
        packed = Stored(held.stored.path, held.stored.offset, f"uint{bits}", (rows, wide))
        return packed if packed.size == held.stored.size else None

    def _numbers(self, named: tuple[str, ...], wanted: int) -> Stored | Given | None:
        """One, or as many as are wanted: in the answer while there is room, else where they lie."""
        held = next((one for name in named if name and (one := self._walk.held.get(name))), None)
        if held is None or prod(held.shape) not in {1, wanted}:
            return None
        name = next(name for name in named if self._walk.held.get(name) is held)
        given = self._walk.numbers(name, room=self._room)
        if given is not None:
            self._room -= len(given.numbers)
            return given
        return held.stored if held.dtype in {"float16", "float32", "int8", "uint8"} else None
