"""Trains the demo's three digit classifiers on scikit-learn's digits; downloads nothing.

`python -m deploy.demo.models FOLDER` writes `FOLDER/1` (TensorFlow SavedModel), `FOLDER/2`
(ONNX, the same task), `FOLDER/3` (ONNX, trained on shuffled labels: the bad one) and
`FOLDER/metrics.json`, the accuracy of each on the held-out test split.
"""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

SEED = 7


def splits() -> tuple[Any, Any, Any, Any]:
    """Images (n, 64), float32 in 0..16, to train and to test on; then their labels (n,)."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  heavy, and only needed here
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    images, labels = load_digits(return_X_y=True)
    return tuple(
        train_test_split(
            images.astype(np.float32), labels, test_size=360, random_state=SEED, stratify=labels
        )
    )


def train_onnx(images: Any, labels: Any, target: Path, *, seed: int) -> Any:
    """A scikit-learn perceptron saved as ONNX: input `images`, output `probabilities`."""
    from skl2onnx import convert_sklearn  # noqa: PLC0415  heavy
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    model = MLPClassifier((64,), max_iter=60, random_state=seed, learning_rate_init=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 60 rounds are enough here, converged or not
        model.fit(images, labels)
    converted = convert_sklearn(
        model,
        initial_types=[("images", FloatTensorType([None, 64]))],
        options={id(model): {"zipmap": False}},
        target_opset=18,
    )
    del converted.graph.output[0]  # the label: the probabilities say it and more
    target.mkdir(parents=True, exist_ok=True)
    (target / "model.onnx").write_bytes(converted.SerializeToString())
    return model


def train_saved_model(images: Any, labels: Any, target: Path) -> Any:
    """A Keras perceptron exported as a SavedModel with a serving signature."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf  # noqa: PLC0415  takes seconds

    tf.keras.utils.set_random_seed(SEED)
    model = tf.keras.Sequential(
        [
            tf.keras.Input((64,), name="images"),
            tf.keras.layers.Rescaling(1 / 16),
            tf.keras.layers.Dense(64, activation="relu"),
            tf.keras.layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, labels, epochs=25, batch_size=32, verbose=0)
    model.export(str(target), verbose=False)
    return model


def main(folder: Path) -> None:
    """Train all three and write down how good each is."""
    x_train, x_test, y_train, y_test = splits()
    shuffled = np.random.default_rng(SEED).permutation(y_train)
    keras = train_saved_model(x_train, y_train, folder / "1")
    good = train_onnx(x_train, y_train, folder / "2", seed=SEED)
    bad = train_onnx(x_train, shuffled, folder / "3", seed=SEED)
    accuracy = {
        "1": float((keras.predict(x_test, verbose=0).argmax(axis=1) == y_test).mean()),
        "2": float(good.score(x_test, y_test)),
        "3": float(bad.score(x_test, y_test)),
    }
    (folder / "metrics.json").write_text(json.dumps(accuracy))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
