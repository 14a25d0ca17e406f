"""ONNX models by where their weights lie, many named for their flaw. Each gives {path: bytes}."""

import struct
from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from registry.formats import wire
from tests.formats import onnx_models
from tests.formats.checkpoints import varint
from tests.formats.onnx_models import Files

FLAWS: dict[str, tuple[Callable[[], Files], str]] = {}
VALUES = np.linspace(-1, 1, 12).reshape(4, 3)


def flaw(expected: str) -> Callable[[Callable[[], Files]], Callable[[], Files]]:
    """Register a bad model with a pattern of what must be said about it."""

    def register(build: Callable[[], Files]) -> Callable[[], Files]:
        FLAWS[build.__name__] = (build, expected)
        return build

    return register


def raw(dtype: int) -> onnx.TensorProto:
    return helper.make_tensor("w", dtype, (4, 3), _bytes(dtype), raw=True)


def _bytes(dtype: int) -> bytes:
    if dtype == TensorProto.BFLOAT16:
        return (VALUES.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return VALUES.astype(helper.tensor_dtype_to_np_dtype(dtype)).tobytes()


def with_weight(tensor: onnx.TensorProto, **others: bytes) -> Files:
    return onnx_models.files(onnx_models.model(onnx_models.graph(weights=[tensor])), **others)


def listed(dtype: int = TensorProto.FLOAT) -> Files:
    """In float_data or double_data, packed."""
    return with_weight(helper.make_tensor("w", dtype, (4, 3), VALUES.flatten()))


def in_parts() -> Files:
    """Numbers in two fields of the same kind, which a reader puts one behind the other."""
    data = VALUES.astype(np.float32).tobytes()
    parts = b"".join(b"\x22" + varint(len(part)) + part for part in (data[:20], data[20:]))
    tensor = onnx.TensorProto.FromString(b"\x0a\x02\x04\x03\x10\x01\x42\x01w")
    whole = with_weight(tensor)["model.onnx"]
    head = tensor.SerializeToString()
    inner = b"\x2a" + varint(len(head)) + head
    return {"model.onnx": _grown(whole, inner, b"\x2a" + varint(len(head) + 52) + head + parts)}


def _grown(whole: bytes, old: bytes, new: bytes) -> bytes:
    """With `new` in place of `old` in the graph, whose length is made to fit."""
    start = whole.index(b"\x3a")
    length, used = wire.varint(memoryview(whole)[start + 1 :])
    begin, end = start + 1 + used, start + 1 + used + length
    assert old in whole[begin:end]
    inner = whole[begin:end].replace(old, new)
    return whole[:start] + b"\x3a" + varint(len(inner)) + inner + whole[end:]


def tied() -> Files:
    """Two names for the same bytes of a file, which are more than one of them takes."""
    data = VALUES.astype(np.float32).tobytes()
    return two_external(0, (4, 3), data=data + bytes(48))


def two_external(
    offset: int, shape: tuple[int, ...], *, dtype: int = TensorProto.FLOAT, data: bytes = bytes(96)
) -> Files:
    """One weight at the start of a file, another at `offset`."""
    width = 8 if dtype == TensorProto.DOUBLE else 4
    other = onnx_models.external("weights.bin", offset=offset, length=width * int(np.prod(shape)))
    other.name, other.data_type = "v", dtype
    del other.dims[:]
    other.dims.extend(shape)
    weights = [onnx_models.external("weights.bin"), other]
    of = onnx_models.model(onnx_models.graph(weights=weights))
    return onnx_models.files(of, **{"weights.bin": data})


def with_a_branch() -> Files:
    """A weight `w` outside, and another `w` in each branch of an If."""
    output = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    node = helper.make_node("MatMul", ["x", "w"], ["z"])
    inner = helper.make_graph([node], "b", [], [output], [onnx_models.weight()])
    choice = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    condition = numpy_helper.from_array(np.array(True), "c")
    return onnx_models.files(
        onnx_models.model(onnx_models.graph([choice], [condition, onnx_models.weight()]))
    )


def written(*fields: bytes) -> Files:
    """A model whose only weight has these fields, and 48 bytes of raw data before them."""
    head = raw(TensorProto.FLOAT).SerializeToString()
    old, new = (b"\x2a" + varint(len(one)) + one for one in (head, head + b"".join(fields)))
    return {"model.onnx": _grown(with_weight(raw(TensorProto.FLOAT))["model.onnx"], old, new)}


@flaw("its external data is this file itself")
def external_data_in_the_head() -> Files:
    return with_weight(onnx_models.external("model.onnx"))


@flaw("external data at '../weights.bin', outside of the model")
def external_data_above() -> Files:
    return onnx_models.external_data_above()


@flaw("which has only 40")
def external_data_past_the_end() -> Files:
    return onnx_models.external_data_too_short()


@flaw(r"tensors 'v' and 'w' share bytes 24 to 48, and not as one tensor")
def external_data_that_overlaps_in_part() -> Files:
    return two_external(24, (4, 3))


@flaw(r"tensors 'v' and 'w' share bytes 0 to 48, and not as one tensor")
def external_data_that_is_also_whole_numbers() -> Files:
    return two_external(0, (4, 3), dtype=TensorProto.INT32)


@flaw(r"tensors 'v' and 'w' share bytes 2 to 6, and not as one tensor")
def external_data_that_is_also_other_floats() -> Files:
    return two_external(2, (1,))


@flaw("a tensor has two names or holds its data twice")
def data_twice() -> Files:
    return written(b"\x4a\x30" + bytes(48))


@flaw("a tensor is written in a way that no exporter does")
def data_type_twice() -> Files:
    return written(b"\x10\x06")


@flaw("a tensor is written in a way that no exporter does")
def numbers_each_with_a_tag_of_its_own() -> Files:
    return written(b"\x25" + struct.pack("<f", 1.0))


@flaw("tensor 'w' holds its data twice")
def data_in_two_fields() -> Files:
    return written(b"\x22\x04" + bytes(4))


@flaw(r"tensor 'w': 12 numbers for shape \[4, 3, 2\]")
def data_for_another_shape() -> Files:
    return written(b"\x08\x02")


@flaw("tensor 'w' has an impossible shape|a tensor has an impossible shape")
def a_negative_dimension() -> Files:
    return written(b"\x08" + b"\xff" * 9 + b"\x01")


@flaw("a tensor's name is not UTF-8|two names")
def a_name_that_is_no_text() -> Files:
    return {"model.onnx": written()["model.onnx"].replace(b"B\x01w", b"B\x01\xff")}


@flaw("a tensor has no name")
def no_name() -> Files:
    return with_weight(onnx_models.weight(""))


@flaw("two weights are called 'w'")
def two_weights_of_one_name() -> Files:
    weights = [onnx_models.weight(), onnx_models.weight()]
    return onnx_models.files(onnx_models.model(onnx_models.graph(weights=weights)))


@flaw("it holds 2 graphs")
def a_graph_in_two_parts() -> Files:
    whole = onnx_models.files()["model.onnx"]
    return {"model.onnx": whole + b"\x3a\x00"}


@flaw("nest deeper than 8")
def branches_nested_deep() -> Files:
    return onnx_models.branches_nested_deep()
