"""Operations that move values about: shapes, slices, gathers, casts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper

from registry.making.exporting.operations.node import Node, Operation, axes_of


def _cast(node: Node, x: Any, *_: Any) -> Any:
    to = node.get("to")
    if to == TensorProto.STRING:
        return tf.as_string(x)
    wanted = tf.as_dtype(helper.tensor_dtype_to_np_dtype(to))
    given = tf.convert_to_tensor(x)
    return tf.strings.to_number(given, wanted) if given.dtype == tf.string else tf.cast(x, wanted)


def _concat(node: Node, *values: Any) -> Any:
    return tf.concat(list(values), axis=node.get("axis"))


def _constant(node: Node) -> Any:
    for name, value in node.attributes.items():
        if name == "value":
            return numpy_helper.to_array(value)
        if name.startswith("value_"):
            dtype = np.float32 if "float" in name else np.int64 if "int" in name else object
            return np.array(value, dtype=dtype)
    return node.refuse("it holds no value")


def _constant_of_shape(node: Node, shape: Any) -> Any:
    given = node.get("value")
    value = numpy_helper.to_array(given).ravel()[0] if given is not None else np.float32(0)
    return tf.fill(tf.cast(shape, tf.int32), value)


def _expand(_: Node, x: Any, shape: Any) -> Any:
    """Both shapes broadcast: a 1 in the wanted one leaves the size as it is."""
    x = tf.convert_to_tensor(x)
    return tf.broadcast_to(x, tf.broadcast_dynamic_shape(tf.shape(x), tf.cast(shape, tf.int32)))


def _flatten(node: Node, x: Any) -> Any:
    axis = node.get("axis", 1)
    if axis == 1 and None not in x.shape[1:]:
        return tf.reshape(x, [-1, int(np.prod(x.shape[1:]))])
    sizes = tf.shape(x)
    return tf.reshape(x, [tf.reduce_prod(sizes[:axis]), tf.reduce_prod(sizes[axis:])])


def _gather(node: Node, x: Any, places: Any) -> Any:
    axis = node.get("axis", 0)
    return tf.gather(x, _none_negative(places, tf.shape(x)[axis]), axis=axis)


def _none_negative(places: Any, size: Any) -> Any:
    """Places from the end counted from the start."""
    if isinstance(places, np.ndarray) and not np.any(places < 0):
        return places
    size = tf.cast(size, places.dtype)
    return tf.where(tf.less(places, 0), places + size, places)


def _gather_elements(node: Node, x: Any, places: Any) -> Any:
    axis = node.get("axis", 0)
    rank = len(x.shape)
    axis += rank if axis < 0 else 0
    places = _none_negative(places, tf.shape(x)[axis])
    sizes = tf.shape(places)
    grids = [
        tf.cast(places, tf.int32)
        if at == axis
        else tf.broadcast_to(
            tf.reshape(tf.range(sizes[at]), [-1 if one == at else 1 for one in range(rank)]), sizes
        )
        for at in range(rank)
    ]
    return tf.gather_nd(x, tf.stack(grids, axis=-1))


def _gather_nd(node: Node, x: Any, places: Any) -> Any:
    return tf.gather_nd(x, places, batch_dims=node.get("batch_dims", 0))


def _pad(node: Node, x: Any, pads: Any, value: Any = None, axes: Any = None) -> Any:
    rank = len(x.shape)
    widths = np.zeros((rank, 2), np.int32)
    given = node.known(pads, "the width of the padding")
    along = axes_of(node, axes, rank) or list(range(rank))
    for at, axis in enumerate(along):
        widths[axis] = given[at], given[at + len(along)]
    mode = node.get("mode", b"constant").decode()
    modes = {"constant": "CONSTANT", "reflect": "REFLECT", "edge": "SYMMETRIC"}
    if mode not in modes or (mode == "edge" and widths.max() > 1) or widths.min() < 0:
        node.refuse(f"padding of the kind {mode!r} with {widths.tolist()}")
    filling = 0 if value is None else node.known(np.asarray(value).ravel()[0], "the padding")
    return tf.pad(x, widths, modes[mode], constant_values=filling)


def _range(_: Node, start: Any, limit: Any, step: Any) -> Any:
    return tf.range(*(tf.reshape(one, []) for one in (start, limit, step)))


def _reshape(node: Node, x: Any, shape: Any) -> Any:
    """0 keeps the size that stands there, -1 is what is left."""
    if not isinstance(shape, np.ndarray):
        return tf.reshape(x, tf.cast(shape, tf.int32))
    wanted = [int(size) for size in shape]
    if not node.get("allowzero", 0) and 0 in wanted:
        sizes = tf.shape(x)
        free = [at for at, size in enumerate(wanted) if size == 0 and x.shape[at] is None]
        kept = [x.shape[at] if size == 0 else size for at, size in enumerate(wanted)]
        # One size that is free can be what is left, and stays known to be the only one.
        rest = -1 not in wanted and len(free) == 1
        return tf.reshape(x, [(-1 if rest else sizes[at]) if at in free else one
                              for at, one in enumerate(kept)])  # fmt: skip
    return tf.reshape(x, wanted)


def _shape(node: Node, x: Any) -> Any:
    start, end = node.get("start", 0), node.get("end")
    sizes = list(x.shape)[start:end]
    if None not in sizes:
        return np.array(sizes, np.int64)
    return tf.shape(x, out_type=tf.int64)[start:end]


def _size(_: Node, x: Any) -> Any:
    return tf.size(x, out_type=tf.int64)


def _slice(node: Node, x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    first = node.known(starts, "where a slice starts")
    last = node.known(ends, "where a slice ends")
    along = [*range(len(first))] if axes is None else node.known(axes, "the axes")
    stride = [1] * len(first) if steps is None else node.known(steps, "the step")
    cut = [slice(None)] * len(x.shape)
    for axis, start, end, step in zip(along, first, last, stride, strict=True):
        # Beyond either end means all of it; TensorFlow counts in 32 bits.
        low = (
            None if (step > 0 and start <= -(1 << 31)) or (step < 0 and start > 1 << 30) else start
        )
        high = None if abs(end) > 1 << 30 else end
        cut[axis] = slice(low, high, step)
    return tf.convert_to_tensor(x)[tuple(cut)]


def _split(node: Node, x: Any, sizes: Any = None) -> Any:
    axis = node.get("axis", 0)
    if sizes is not None:
        return tf.split(x, node.known(sizes, "the sizes of the parts"), axis=axis)
    count, size = node.get("num_outputs", node.outputs), x.shape[axis]
    if size is None:
        node.refuse("parts of an axis whose size is free")
    part = -(-size // count)
    return tf.split(x, [part] * (count - 1) + [size - part * (count - 1)], axis=axis)


def _squeeze(node: Node, x: Any, axes: Any = None) -> Any:
    return tf.squeeze(x, axes_of(node, axes, len(x.shape)))


def _unsqueeze(node: Node, x: Any, axes: Any) -> Any:
    given = node.known(axes, "the axes")
    rank = len(x.shape) + len(given)
    for axis in sorted(axis + rank if axis < 0 else axis for axis in given):
        x = tf.expand_dims(x, axis)
    return x


def _tile(_: Node, x: Any, times: Any) -> Any:
    return tf.tile(x, times)


def _top_k(node: Node, x: Any, count: Any) -> Any:
    axis, rank = node.get("axis", -1), len(x.shape)
    if axis not in {-1, rank - 1}:
        node.refuse("along another axis than the last")
    how_many = int(np.asarray(node.known(count, "how many")).ravel()[0])
    turn = 1 if node.get("largest", 1) else -1
    values, places = tf.math.top_k(turn * x, how_many)
    return [turn * values, tf.cast(places, tf.int64)]


def _transpose(node: Node, x: Any) -> Any:
    return tf.transpose(x, node.get("perm"))


def _tril(node: Node, x: Any, diagonal: Any = None) -> Any:
    shift = 0 if diagonal is None else int(np.ravel(node.known(diagonal, "the diagonal"))[0])
    x = tf.convert_to_tensor(x)
    rows, columns = (tf.range(tf.shape(x)[axis]) for axis in (-2, -1))
    away = columns[None, :] - rows[:, None]
    keeps = away >= shift if node.get("upper", 1) else away <= shift
    return tf.where(keeps, x, tf.zeros_like(x))


def _one_hot(node: Node, places: Any, depth: Any, values: Any) -> Any:
    size = int(np.ravel(node.known(depth, "the depth"))[0])
    off, on = node.known(values, "the values")
    places = _none_negative(tf.cast(places, tf.int64), size)
    return tf.one_hot(places, size, on, off, axis=node.get("axis", -1), dtype=values.dtype)


OPERATIONS: Mapping[str, Operation] = {
    "Cast": _cast, "CastLike": lambda _, x, like: tf.cast(x, like.dtype), "Concat": _concat,
    "Constant": _constant, "ConstantOfShape": _constant_of_shape,
    "Dropout": lambda _, x, *__: tf.identity(x), "Expand": _expand, "Flatten": _flatten,
    "Gather": _gather, "GatherElements": _gather_elements, "GatherND": _gather_nd,
    "OneHot": _one_hot, "Pad": _pad, "Range": _range, "Reshape": _reshape, "Shape": _shape,
    "Size": _size, "Slice": _slice, "Split": _split, "Squeeze": _squeeze, "Tile": _tile,
    "TopK": _top_k, "Transpose": _transpose, "Trilu": _tril, "Unsqueeze": _unsqueeze,
}  # fmt: skip
