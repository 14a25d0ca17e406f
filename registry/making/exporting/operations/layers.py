"""Layers of networks: convolutions, pools, normalisations, resizing.

ONNX has channels first; TensorFlow on a CPU wants them last, and its optimisers take out the
transposes that meet.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from registry.making.exporting.operations.node import Node, Operation


def _last(x: Any) -> Any:
    """Channels behind the spatial axes."""
    rank = len(x.shape)
    return tf.transpose(x, [0, *range(2, rank), 1])


def _first(x: Any) -> Any:
    rank = len(x.shape)
    return tf.transpose(x, [0, rank - 1, *range(1, rank - 1)])


def _pads(node: Node, spatial: int, sizes: Sequence[int | None], kernel: Sequence[int]) -> Any:
    """Begin and end of each spatial axis, whichever way the standard lets a model say it."""
    kind = node.get("auto_pad", b"NOTSET").decode()
    strides = node.get("strides", [1] * spatial)
    dilations = node.get("dilations", [1] * spatial)
    if kind in {"NOTSET", "VALID"}:
        given = node.get("pads", [0] * 2 * spatial) if kind == "NOTSET" else [0] * 2 * spatial
        found = [[given[at], given[at + spatial]] for at in range(spatial)]
    else:
        found = []
        for size, width, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
            if size is None:
                node.refuse("SAME padding of an axis whose size is free")
            reach = (width - 1) * dilation + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            half = [total // 2, total - total // 2]
            found.append(half if kind == "SAME_UPPER" else half[::-1])
    if node.get("ceil_mode", 0):
        found = _with_the_rest(node, found, sizes, kernel)
    return found


def _with_the_rest(
    node: Node, pads: list[list[int]], sizes: Sequence[int | None], kernel: Sequence[int]
) -> list[list[int]]:
    """A last window that is not full counts in `ceil_mode`: padding makes it full."""
    strides = node.get("strides", [1] * len(kernel))
    dilations = node.get("dilations", [1] * len(kernel))
    found = []
    for at, (begin, end) in enumerate(pads):
        size = sizes[at]
        if size is None:
            node.refuse("ceil_mode with an axis whose size is free")
        reach = (kernel[at] - 1) * dilations[at] + 1
        rest = (size + begin + end - reach) % strides[at]
        found.append([begin, end + (strides[at] - rest if rest else 0)])
    return found


def _padded(x: Any, pads: Any, value: float = 0.0) -> Any:
    if not np.any(pads):
        return x
    return tf.pad(x, [[0, 0], *pads, [0, 0]], constant_values=value)


def _conv(node: Node, x: Any, kernel: Any, bias: Any = None) -> Any:
    spatial = len(x.shape) - 2
    width = [int(size) for size in kernel.shape[2:]]
    x = _padded(_last(x), _pads(node, spatial, x.shape[2:], width))
    groups, channels = node.get("group", 1), int(x.shape[-1])
    if groups == channels and groups > 1 and spatial == 2:
        # [in * m, 1, h, w] is [h, w, in, m] here.
        found = _depthwise(node, x, kernel)
    else:
        found = _grouped(node, x, kernel, groups)
    return _first(found if bias is None else tf.nn.bias_add(found, bias))


def _depthwise(node: Node, x: Any, kernel: Any) -> Any:
    """[in * m, 1, h, w] is [h, w, in, m] here."""
    channels, (many, _, height, breadth) = int(x.shape[-1]), kernel.shape
    turned = _turned(kernel, [2, 3, 0, 1])
    shape = [height, breadth, channels, many // channels]
    turned = turned.reshape(shape) if isinstance(turned, np.ndarray) else tf.reshape(turned, shape)
    return tf.nn.depthwise_conv2d(
        x, node.weight("kernel", turned), [1, *node.get("strides", [1, 1]), 1], "VALID",
        dilations=node.get("dilations", [1, 1]),
    )  # fmt: skip


def _grouped(node: Node, x: Any, kernel: Any, groups: int) -> Any:
    spatial = len(x.shape) - 2
    how: dict[str, Any] = {
        "strides": node.get("strides", [1] * spatial),
        "padding": "VALID",
        "dilations": node.get("dilations", [1] * spatial),
    }
    if max(how["strides"]) > 1 and max(how["dilations"]) > 1:
        node.refuse("strides together with dilations")
    weights = node.weight("kernel", _turned(kernel, [*range(2, spatial + 2), 1, 0]))
    if groups == 1:
        return tf.nn.convolution(x, weights, **how)
    pairs = zip(tf.split(x, groups, axis=-1), tf.split(weights, groups, axis=-1), strict=True)
    return tf.concat([tf.nn.convolution(one, by, **how) for one, by in pairs], axis=-1)


def _turned(kernel: Any, order: list[int]) -> Any:
    if isinstance(kernel, np.ndarray):
        return np.ascontiguousarray(np.transpose(kernel, order))
    return tf.transpose(kernel, order)


def _conv_transpose(node: Node, x: Any, kernel: Any, bias: Any = None) -> Any:
    spatial = len(x.shape) - 2
    if spatial != 2 or node.get("group", 1) != 1 or node.get("output_shape"):
        node.refuse("a transposed convolution that is not of pictures, or in groups")
    strides = node.get("strides", [1, 1])
    pads, more = node.get("pads", [0] * 4), node.get("output_padding", [0, 0])
    if any(one != 1 for one in node.get("dilations", [1, 1])) or any(more):
        node.refuse("a transposed convolution with dilations or output padding")
    weights = node.weight("kernel", _turned(kernel, [2, 3, 1, 0]))
    turned = _last(x)
    sizes = tf.shape(turned)
    full = [(sizes[at + 1] - 1) * strides[at] + int(kernel.shape[at + 2]) for at in range(2)]
    found = tf.nn.conv2d_transpose(
        turned, weights, [sizes[0], *full, int(kernel.shape[1])], strides, "VALID"
    )
    found = found[:, pads[0] : full[0] - pads[2], pads[1] : full[1] - pads[3], :]
    return _first(found if bias is None else tf.nn.bias_add(found, bias))


def _max_pool(node: Node, x: Any) -> Any:
    if node.outputs > 1 or node.get("storage_order", 0):
        node.refuse("the places of the highest values")
    kernel, spatial = node.get("kernel_shape"), len(x.shape) - 2
    pads = _pads(node, spatial, x.shape[2:], kernel)
    found = tf.nn.pool(
        _padded(_last(x), pads, tf.as_dtype(x.dtype).min), kernel, "MAX",
        strides=node.get("strides", [1] * spatial), padding="VALID",
        dilations=node.get("dilations", [1] * spatial),
    )  # fmt: skip
    return _first(found)


def _average_pool(node: Node, x: Any) -> Any:
    kernel, spatial = node.get("kernel_shape"), len(x.shape) - 2
    strides = node.get("strides", [1] * spatial)
    if any(one != 1 for one in node.get("dilations", [1] * spatial)):
        node.refuse("an average over a window with holes")
    if node.get("ceil_mode", 0) and node.get("count_include_pad", 0):
        node.refuse("ceil_mode together with count_include_pad")
    pads = _pads(node, spatial, x.shape[2:], kernel)
    turned = _last(x)
    found = tf.nn.pool(_padded(turned, pads), kernel, "AVG", strides=strides, padding="VALID")
    if np.any(pads) and not node.get("count_include_pad", 0):
        ones = _padded(tf.ones_like(turned[:1, ..., :1]), pads)
        found /= tf.nn.pool(ones, kernel, "AVG", strides=strides, padding="VALID")
    return _first(found)


def _global(function: Any) -> Operation:
    return lambda _, x: function(x, axis=list(range(2, len(x.shape))), keepdims=True)


def _batch_normalization(node: Node, x: Any, *learnt: Any) -> Any:
    """Folded into one factor and one summand for each channel, where they are known."""
    if node.get("training_mode", 0):
        node.refuse("it is in training")
    scale, shift, mean, variance = learnt
    factor = scale / (variance + node.get("epsilon", 1e-5)) ** 0.5
    shape = [-1, *[1] * (len(x.shape) - 2)]
    reshape = np.reshape if isinstance(factor, np.ndarray) else tf.reshape
    return x * reshape(factor, shape) + reshape(shift - mean * factor, shape)


def _instance_normalization(node: Node, x: Any, scale: Any, shift: Any) -> Any:
    axes = list(range(2, len(x.shape)))
    return _normal(x, axes, node.get("epsilon", 1e-5)) * _by_channel(x, scale) + _by_channel(
        x, shift
    )


def _layer_normalization(node: Node, x: Any, scale: Any, shift: Any = None) -> Any:
    rank, axis = len(x.shape), node.get("axis", -1)
    axes = list(range(axis + rank if axis < 0 else axis, rank))
    found = _normal(x, axes, node.get("epsilon", 1e-5)) * scale
    return found if shift is None else found + shift


def _normal(x: Any, axes: list[int], epsilon: float) -> Any:
    mean = tf.reduce_mean(x, axes, keepdims=True)
    away = x - mean
    return away * tf.math.rsqrt(tf.reduce_mean(tf.square(away), axes, keepdims=True) + epsilon)


def _by_channel(x: Any, value: Any) -> Any:
    return tf.reshape(value, [-1, *[1] * (len(x.shape) - 2)])


def _resize(node: Node, x: Any, _: Any = None, scales: Any = None, sizes: Any = None) -> Any:
    mode = node.get("mode", b"nearest").decode()
    place = node.get("coordinate_transformation_mode", b"half_pixel").decode()
    rounding = node.get("nearest_mode", b"round_prefer_floor").decode()
    if len(x.shape) != 4 or node.get("antialias", 0) or node.get("axes"):
        node.refuse("of something else than pictures")
    if sizes is not None:
        wanted = [int(one) for one in node.known(sizes, "the size")[2:]]
    else:
        by = node.known(scales, "the scale")
        if None in x.shape[2:]:
            node.refuse("by a scale, of an axis whose size is free")
        wanted = [int(size * scale) for size, scale in zip(x.shape[2:], by[2:], strict=True)]
    if mode == "linear" and place in {"half_pixel", "pytorch_half_pixel"}:
        return _first(tf.image.resize(_last(x), wanted, "bilinear"))
    if mode == "nearest" and place == "asymmetric" and rounding == "floor":
        return _first(tf.raw_ops.ResizeNearestNeighbor(images=_last(x), size=wanted))
    return node.refuse(f"by {mode}, {place}, {rounding}")


# They get their weights as they stand in the file, to turn them once and not with each request.
TURN_WEIGHTS = frozenset({"Conv", "ConvTranspose"})
OPERATIONS: Mapping[str, Operation] = {
    "AveragePool": _average_pool, "BatchNormalization": _batch_normalization, "Conv": _conv,
    "ConvTranspose": _conv_transpose, "GlobalAveragePool": _global(tf.reduce_mean),
    "GlobalMaxPool": _global(tf.reduce_max), "InstanceNormalization": _instance_normalization,
    "LayerNormalization": _layer_normalization, "MaxPool": _max_pool, "Resize": _resize,
}  # fmt: skip
