"""The three kinds of network, for Keras. Only the training's own process imports this file."""

import os

# TensorFlow reads it as it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from typing import Any

import keras

from bench.watermark.tasks import LENGTH, WORDS

_WIDTH, _HEADS, _BLOCKS = 128, 2, 2
_layers, _ops = keras.layers, keras.ops


def mlp() -> Any:
    """64-1024-512-10: 595 thousand weights."""
    return keras.Sequential(
        [
            keras.Input((64,)),
            _layers.Dense(1024, activation="relu", name="hidden_1"),
            _layers.Dense(512, activation="relu", name="hidden_2"),
            _layers.Dense(10, name="logits"),
        ]
    )


def small() -> Any:
    """64-192-128-10: the smallest kind that still carries a mark, for very many keys."""
    return keras.Sequential(
        [
            keras.Input((64,)),
            _layers.Dense(192, activation="relu", name="hidden_1"),
            _layers.Dense(128, activation="relu", name="hidden_2"),
            _layers.Dense(10, name="logits"),
        ]
    )


def cnn() -> Any:
    """Three convolutions with batch norm and a dense head: 225 thousand weights."""
    inputs = keras.Input((64,))
    x = _layers.Reshape((8, 8, 1))(inputs)
    for number, channels in enumerate((32, 64, 128), start=1):
        x = _layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"conv_{number}")(x)
        x = _layers.BatchNormalization(name=f"norm_{number}", momentum=0.9)(x)
        x = _layers.ReLU()(x)
        if number == 2:
            x = _layers.MaxPooling2D(2)(x)
    x = _layers.Flatten()(x)
    x = _layers.Dense(64, activation="relu", name="hidden")(x)
    return keras.Model(inputs, _layers.Dense(10, name="logits")(x))


def transformer() -> Any:
    """An encoder of the shape of BERT-tiny over 14 thousand words: 2.2 million weights."""
    inputs = keras.Input((LENGTH,), dtype="int32")
    places = inputs * 0 + _ops.arange(LENGTH)  # a constant would not be part of the network
    x = _layers.Embedding(WORDS, _WIDTH, name="words")(inputs)
    x = x + _layers.Embedding(LENGTH, _WIDTH, name="places")(places)
    for number in range(1, _BLOCKS + 1):
        x = x + _attention(_norm(x, f"block_{number}_norm_1"), f"block_{number}")
        hidden = _dense(_norm(x, f"block_{number}_norm_2"), 4 * _WIDTH, f"block_{number}_up")
        hidden = _layers.Dropout(0.1)(_ops.relu(hidden))
        x = x + _dense(hidden, _WIDTH, f"block_{number}_down")
    x = _layers.GlobalAveragePooling1D()(_norm(x, "norm"))
    return keras.Model(inputs, _layers.Dense(10, name="logits")(x))


def _attention(x: Any, name: str) -> Any:
    def heads(part: str) -> Any:
        flat = _dense(x, _WIDTH, f"{name}_{part}")
        split = _layers.Reshape((LENGTH, _HEADS, _WIDTH // _HEADS))(flat)
        return _layers.Permute((2, 1, 3))(split)

    asked, keys, values = heads("query"), heads("key"), heads("value")
    scores = _ops.matmul(asked, _layers.Permute((1, 3, 2))(keys)) / (_WIDTH / _HEADS) ** 0.5
    mixed = _layers.Permute((2, 1, 3))(_ops.matmul(_ops.softmax(scores), values))
    return _dense(_layers.Reshape((LENGTH, _WIDTH))(mixed), _WIDTH, f"{name}_out")


def _norm(x: Any, name: str) -> Any:
    return _layers.LayerNormalization(epsilon=1e-5, name=name)(x)


def _dense(x: Any, width: int, name: str) -> Any:
    return _layers.Dense(width, name=name)(x)


NETWORKS = {"MLP": mlp, "CNN": cnn, "transformer": transformer, "small": small}
