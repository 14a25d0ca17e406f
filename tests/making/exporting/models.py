"""Small models as trainers make them, from seeds: what is exported is always the same."""

from typing import Any

import numpy as np

SAMPLES = np.random.default_rng(3).normal(size=(60, 4)).astype(np.float32)
LABELS = (SAMPLES.sum(axis=1) > 0).astype(np.int64)
PICTURES = np.random.default_rng(4).uniform(0, 1, size=(5, 3, 12, 12)).astype(np.float32)


def keras_classifier() -> Any:
    import keras

    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((4,), name="flowers"),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dense(3, activation="softmax", name="kinds"),
        ]
    )


def keras_pictures() -> Any:
    import keras

    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [
            keras.Input((12, 12, 3), name="pictures"),
            keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.DepthwiseConv2D(3),
            keras.layers.MaxPool2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(5, name="scores"),
        ]
    )


def keras_two() -> Any:
    """Two inputs, two outputs."""
    import keras

    keras.utils.set_random_seed(3)
    age, income = keras.Input((1,), name="age"), keras.Input((3,), name="income")
    both = keras.layers.Concatenate()([age, income])
    return keras.Model(
        [age, income],
        [keras.layers.Dense(1, name="risk")(both), keras.layers.Dense(2, name="groups")(both)],
    )


def torch_pictures() -> Any:
    import torch

    torch.manual_seed(5)

    class Pictures(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = torch.nn.Sequential(
                torch.nn.Conv2d(3, 8, 3, padding=1),
                torch.nn.BatchNorm2d(8),
                torch.nn.ReLU(),
                torch.nn.MaxPool2d(2),
                torch.nn.Conv2d(8, 8, 3, groups=8),
                torch.nn.AdaptiveAvgPool2d(1),
                torch.nn.Flatten(),
                torch.nn.Dropout(0.5),
            )
            self.head = torch.nn.Linear(8, 4)

        def forward(self, pictures: Any) -> Any:
            return self.head(self.body(pictures))

    return Pictures()


def torch_sequences() -> Any:
    import torch

    torch.manual_seed(6)

    class Sequences(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding(20, 6)
            self.lstm = torch.nn.LSTM(6, 5, batch_first=True, bidirectional=True)
            self.norm = torch.nn.LayerNorm(10)
            self.head = torch.nn.Linear(10, 2)

        def forward(self, words: Any) -> Any:
            found, _ = self.lstm(self.words(words))
            return self.head(self.norm(found)).softmax(-1)

    return Sequences()
