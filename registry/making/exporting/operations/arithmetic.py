"""Elementwise arithmetic, comparisons, activations, reductions and products of matrices."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from registry.making.exporting.operations.node import Node, Operation, axes_of


def _plain(function: Any) -> Operation:
    return lambda _, *values: function(*values)


def _div(_: Node, first: Any, second: Any) -> Any:
    # Whole numbers are divided towards zero, as C does.
    whole = tf.as_dtype(np.asarray(first).dtype if isinstance(first, np.ndarray) else first.dtype)
    return tf.truncatediv(first, second) if whole.is_integer else tf.divide(first, second)


def _mod(node: Node, first: Any, second: Any) -> Any:
    return tf.truncatemod(first, second) if node.get("fmod", 0) else tf.math.floormod(first, second)


def _power(_: Node, base: Any, exponent: Any) -> Any:
    base = tf.convert_to_tensor(base)
    return tf.pow(base, tf.cast(exponent, base.dtype))


def _all(function: Any) -> Operation:
    """Of any number of inputs."""

    def folded(_: Node, first: Any, *more: Any) -> Any:
        for one in more:
            first = function(first, one)
        return first

    return folded


def _mean(_: Node, *values: Any) -> Any:
    return tf.add_n([tf.convert_to_tensor(one) for one in values]) / len(values)


def _clip(node: Node, x: Any, low: Any = None, high: Any = None) -> Any:
    if low is not None:
        x = tf.maximum(x, low)
    return x if high is None else tf.minimum(x, high)


def _gelu(node: Node, x: Any) -> Any:
    return tf.nn.gelu(x, approximate=node.get("approximate", b"none") == b"tanh")


def _hard_sigmoid(node: Node, x: Any) -> Any:
    return tf.clip_by_value(node.get("alpha", 0.2) * x + node.get("beta", 0.5), 0.0, 1.0)


def _elu(node: Node, x: Any) -> Any:
    return tf.where(x > 0, x, node.get("alpha", 1.0) * (tf.exp(tf.minimum(x, 0.0)) - 1.0))


def _selu(node: Node, x: Any) -> Any:
    alpha, gamma = node.get("alpha", 1.67326319217681884), node.get("gamma", 1.05070102214813232)
    return gamma * tf.where(x > 0, x, alpha * (tf.exp(tf.minimum(x, 0.0)) - 1.0))


def _leaky(node: Node, x: Any) -> Any:
    return tf.nn.leaky_relu(x, node.get("alpha", 0.01))


def _prelu(_: Node, x: Any, slope: Any) -> Any:
    return tf.where(x < 0, slope * x, x)


def _softmax(node: Node, x: Any) -> Any:
    return tf.nn.softmax(x, axis=node.get("axis", -1))


def _log_softmax(node: Node, x: Any) -> Any:
    return tf.nn.log_softmax(x, axis=node.get("axis", -1))


def _reduced(function: Any) -> Operation:
    def reduce(node: Node, x: Any, axes: Any = None) -> Any:
        found = axes_of(node, axes, len(x.shape))
        if not found and node.get("noop_with_empty_axes", 0):
            return x
        return function(x, axis=found or None, keepdims=bool(node.get("keepdims", 1)))

    return reduce


def _norm_1(x: Any, **where: Any) -> Any:
    return tf.reduce_sum(tf.abs(x), **where)


def _norm_2(x: Any, **where: Any) -> Any:
    return tf.sqrt(tf.reduce_sum(tf.square(x), **where))


def _sum_of_squares(x: Any, **where: Any) -> Any:
    return tf.reduce_sum(tf.square(x), **where)


def _arg(function: Any) -> Operation:
    def where(node: Node, x: Any) -> Any:
        if node.get("select_last_index", 0):
            node.refuse("the last of several equal values")
        axis = node.get("axis", 0)
        found = function(x, axis=axis, output_type=tf.int64)
        return tf.expand_dims(found, axis) if node.get("keepdims", 1) else found

    return where


def _gemm(node: Node, first: Any, second: Any, added: Any = None) -> Any:
    found = tf.matmul(
        first,
        second,
        transpose_a=bool(node.get("transA", 0)),
        transpose_b=bool(node.get("transB", 0)),
    )
    if (alpha := node.get("alpha", 1.0)) != 1.0:
        found *= alpha
    if added is None:
        return found
    beta = node.get("beta", 1.0)
    return found + (added if beta == 1.0 else beta * added)


def _matmul(_: Node, first: Any, second: Any) -> Any:
    """As numpy's: a vector is a row on the left and a column on the right."""
    left, right = len(first.shape) == 1, len(second.shape) == 1
    first = tf.expand_dims(first, 0) if left else first
    second = tf.expand_dims(second, -1) if right else second
    found = tf.matmul(first, second)
    found = tf.squeeze(found, -1) if right else found
    return tf.squeeze(found, -1 if right else -2) if left else found


def _einsum(node: Node, *values: Any) -> Any:
    return tf.einsum(node.get("equation").decode(), *values)


def _cumsum(node: Node, x: Any, axis: Any) -> Any:
    return tf.cumsum(
        x,
        axis=int(np.asarray(node.known(axis, "the axis")).ravel()[0]),
        exclusive=bool(node.get("exclusive", 0)),
        reverse=bool(node.get("reverse", 0)),
    )


OPERATIONS: Mapping[str, Operation] = {
    **{
        name: _plain(function)
        for name, function in {
            "Abs": tf.abs, "Acos": tf.acos, "Add": tf.add, "And": tf.logical_and, "Asin": tf.asin,
            "Atan": tf.atan, "Ceil": tf.math.ceil, "Cos": tf.cos, "Cosh": tf.cosh,
            "Equal": tf.equal,
            "Erf": tf.math.erf, "Exp": tf.exp, "Floor": tf.floor, "Greater": tf.greater,
            "GreaterOrEqual": tf.greater_equal, "HardSwish": tf.keras.activations.hard_swish,
            "Identity": tf.identity, "IsInf": tf.math.is_inf, "IsNaN": tf.math.is_nan,
            "Less": tf.less, "LessOrEqual": tf.less_equal, "Log": tf.math.log, "Mul": tf.multiply,
            "Neg": tf.negative, "Not": tf.logical_not, "Or": tf.logical_or,
            "Reciprocal": tf.math.reciprocal, "Relu": tf.nn.relu, "Round": tf.round,
            "Sigmoid": tf.sigmoid, "Sign": tf.sign, "Sin": tf.sin, "Sinh": tf.sinh,
            "Softplus": tf.math.softplus, "Softsign": tf.nn.softsign, "Sqrt": tf.sqrt,
            "Sub": tf.subtract, "Tan": tf.tan, "Tanh": tf.tanh, "Where": tf.where,
            "Xor": tf.math.logical_xor,
        }.items()
    },
    **{
        name: _reduced(function)
        for name, function in {
            "ReduceL1": _norm_1, "ReduceL2": _norm_2, "ReduceLogSumExp": tf.reduce_logsumexp,
            "ReduceMax": tf.reduce_max, "ReduceMean": tf.reduce_mean, "ReduceMin": tf.reduce_min,
            "ReduceProd": tf.reduce_prod, "ReduceSum": tf.reduce_sum,
            "ReduceSumSquare": _sum_of_squares,
        }.items()
    },
    "ArgMax": _arg(tf.argmax), "ArgMin": _arg(tf.argmin), "Clip": _clip, "CumSum": _cumsum,
    "Div": _div, "Einsum": _einsum, "Elu": _elu, "Gelu": _gelu, "Gemm": _gemm,
    "HardSigmoid": _hard_sigmoid, "LeakyRelu": _leaky, "LogSoftmax": _log_softmax,
    "MatMul": _matmul, "Max": _all(tf.maximum), "Mean": _mean, "Min": _all(tf.minimum),
    "Mod": _mod, "PRelu": _prelu, "Pow": _power, "Selu": _selu, "Softmax": _softmax,
    "Sum": _all(tf.add),
}  # fmt: skip
