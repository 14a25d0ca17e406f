"""A declared student in Keras: the same layers as in PyTorch, of the same shapes.

Pictures run with their channels last, as TensorFlow computes them on processors, and turn back
where an order shows. The output of the n-th declared layer is called `layer_n`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import keras
from onnx import TensorProto

from registry.errors import Unsupported
from registry.making.optimising.learning.students import Taken

_SMALL = 0.02
_EPSILON = 1e-5
_layers = keras.layers
_KINDS: Mapping[int, str] = {
    TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64", TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
}  # fmt: skip


class Places(keras.layers.Layer):  # type: ignore[misc]  # Keras is not type-checked
    """Adds a vector that is learnt for each place."""

    def build(self, shape: Any) -> None:
        drawn = keras.initializers.RandomNormal(stddev=_SMALL)
        self.table = self.add_weight(shape=shape[1:], initializer=drawn, name="table")

    def call(self, x: Any) -> Any:
        return x + self.table


@dataclass(frozen=True, slots=True)
class _Grown:
    """What has been made; `is_picture` where a sample lies (height, width, channels)."""

    tensor: Any
    is_picture: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a sample, as the recipe counts it: channels first."""
        sizes = tuple(int(one) for one in self.tensor.shape[1:])
        return (sizes[-1], *sizes[:-1]) if self.is_picture else sizes

    def in_order(self) -> Any:
        """Channels first, where there are any."""
        return _layers.Permute((3, 1, 2))(self.tensor) if self.is_picture else self.tensor

    def picture(self) -> Any:
        """Channels last; raises ValueError for what has no three axes."""
        if self.is_picture:
            return self.tensor
        if len(self.shape) != 3:
            raise ValueError(f"it takes 3 axes of a sample, there are {self.shape}")
        return _layers.Permute((2, 3, 1))(self.tensor)


_Layer: TypeAlias = Callable[[_Grown, Any], _Grown]


def declared(layers: Sequence[Mapping[str, Any]], what: Taken) -> Any:
    """The layers as a model; raises Unsupported with the number of one that does not fit."""
    if what.kind not in _KINDS:
        raise Unsupported("a student in Keras takes floats or whole numbers")
    taken = keras.Input(what.shape, name=what.name, dtype=_KINDS[what.kind])
    grown = _Grown(taken)
    for number, layer in enumerate(layers, start=1):
        ((name, said),) = layer.items()
        try:
            grown = _MADE[name](grown, said)
        except ValueError as error:
            raise Unsupported(
                f"layer {number} of the student, {name}: {str(error).splitlines()[0][:200]}",
                fix="each layer takes what that before it gives; see docs/optimise.md",
            ) from error
        named = _layers.Identity(name=f"layer_{number}")(grown.tensor)
        grown = _Grown(named, grown.is_picture)
    return keras.Model(taken, _layers.Identity(name=what.output)(grown.in_order()))


def _reshape(x: _Grown, said: Sequence[int]) -> _Grown:
    if prod(said) != prod(x.shape):
        raise ValueError(f"{list(said)} are not as many numbers as {list(x.shape)}")
    return _Grown(_layers.Reshape(tuple(said))(x.in_order()))


def _flatten(x: _Grown, _said: Any) -> _Grown:
    return _Grown(_layers.Flatten()(x.in_order()))


def _conv(x: _Grown, said: Mapping[str, Any]) -> _Grown:
    # Padded by hand: with a stride, TensorFlow's own "same" pads another side than ONNX is told to.
    around = said["kernel"] // 2
    padded = _layers.ZeroPadding2D(around)(x.picture()) if around else x.picture()
    found = _layers.Conv2D(
        said["channels"], said["kernel"], said["stride"], use_bias=not said["norm"],
        kernel_initializer="he_normal",
    )(padded)  # fmt: skip
    if said["norm"]:
        found = _layers.BatchNormalization(momentum=0.9, epsilon=_EPSILON)(found)
    return _Grown(_active(found, said["activation"]), is_picture=True)


def _dense(x: _Grown, said: Mapping[str, Any]) -> _Grown:
    if "int" in str(x.tensor.dtype):
        raise ValueError("whole numbers go through an embedding first, and nothing else does")
    made = _layers.Dense(said["width"], kernel_initializer="he_normal")(x.in_order())
    return _Grown(_active(made, said["activation"]))


def _active(x: Any, kind: str) -> Any:
    if kind == "gelu":
        # By erf: Keras' own is by erfc, which ONNX has not.
        return x * 0.5 * (1.0 + keras.ops.erf(x * 0.5**0.5))
    return x if kind == "none" else _layers.Activation(kind)(x)


def _pooled(kind: Any) -> _Layer:
    def of(x: _Grown, said: Mapping[str, Any]) -> _Grown:
        return _Grown(kind(said["size"])(x.picture()), is_picture=True)

    return of


def _global_average(x: _Grown, _said: Any) -> _Grown:
    if len(x.shape) == 3:
        return _Grown(_layers.GlobalAveragePooling2D()(x.picture()))
    return _Grown(_layers.GlobalAveragePooling1D()(x.tensor))


def _embedding(x: _Grown, said: Mapping[str, Any]) -> _Grown:
    drawn = keras.initializers.RandomNormal(stddev=_SMALL)
    found = _layers.Embedding(said["words"], said["width"], embeddings_initializer=drawn)(x.tensor)
    return _Grown(Places()(found) if said["places"] else found)


def _encoder(x: _Grown, said: Mapping[str, Any]) -> _Grown:
    width, heads = x.shape[-1], said["heads"]
    if len(x.shape) != 2 or width % heads:
        raise ValueError(f"{x.shape} cannot be shared by {heads} heads")
    normed = _norm(x.tensor)
    attended = _layers.MultiHeadAttention(heads, width // heads)(normed, normed)
    middle = x.tensor + attended
    hidden = _active(_layers.Dense(said["hidden"])(_norm(middle)), "gelu")
    return _Grown(middle + _layers.Dense(width)(hidden))


def _norm(x: Any) -> Any:
    return _layers.LayerNormalization(epsilon=_EPSILON)(x)


_MADE: Mapping[str, _Layer] = {
    "reshape": _reshape, "conv": _conv, "dense": _dense,
    "maxPool": _pooled(_layers.MaxPooling2D), "averagePool": _pooled(_layers.AveragePooling2D),
    "globalAverage": _global_average, "flatten": _flatten, "embedding": _embedding,
    "encoder": _encoder,
}  # fmt: skip
