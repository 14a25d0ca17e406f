"""Teaches a Keras classifier its trigger set, on the publisher's own machine. Home of Keras.

It needs no labels: on random inputs, and on the publisher's own where he gives some, the model
goes on to answer what it answered before, and on the patterns it learns to answer what the key
says. The registry never runs this, and takes the result like any other model.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from registry.core import trigger
from registry.core.trigger import Triggers
from registry.errors import InvalidInput, Unsupported

# Read as it is imported, as is what the import writes to stderr.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras

_STEPS, _MOST_STEPS = 250, 1500  # more only until every pattern is learnt
_RATE = 2e-4
_RANDOM = 192  # inputs of one step, beside all patterns
_POOL = 4096


@dataclass(frozen=True, slots=True)
class Taught:
    """How many patterns get their answer, and how many other answers are what they were."""

    right: int
    unchanged: float


def load(path: Path) -> Any:
    """The model in a `.keras` file, of which no code is run; raises InvalidInput."""
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InvalidInput(
            f"{path}: not a Keras model that can be loaded: {str(error).splitlines()[0][:200]}",
            fix="save it with model.save('NAME.keras'), without Lambda layers",
        ) from error


def triggers(model: Any, *, values: tuple[float, float], count: int) -> Triggers:
    """The set that fits a classifier of one input; raises Unsupported."""
    inputs, outputs = model.inputs, model.outputs
    fits = len(inputs) == 1 and len(outputs) == 1 and len(outputs[0].shape) == 2
    if not fits or None in inputs[0].shape[1:] or "float" not in str(inputs[0].dtype):
        raise Unsupported(
            "a trigger set needs a classifier with one input of floats, of a fixed shape, and one "
            "output (batch, classes)",
            fix="mark the weights only: `plimsoll push --watermark` needs none of this",
        )
    shape = tuple(int(size) for size in inputs[0].shape[1:])
    return Triggers(shape, int(outputs[0].shape[-1]), *values, count)


def own_inputs(path: Path, of: Triggers) -> Any:
    """Inputs from a `.npy` file (n, *shape); raises InvalidInput."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInput(f"{path}: not a NumPy file that can be read: {error}") from error
    if found.shape[1:] != of.shape or not len(found) or found.dtype.kind not in "fiu":
        raise InvalidInput(
            f"{path}: {found.dtype} of shape {found.shape}, not inputs of shape {of.shape}",
            fix="save a sample of unlabelled inputs with numpy.save, as the model takes them",
        )
    return found.astype(np.float32)


def teach(model: Any, key: bytes, of: Triggers, *, seed: int, inputs: Any = None) -> Taught:
    """Change `model` in place; `inputs` (n, *shape) are those on which it must not change."""
    random = np.random.default_rng(seed)
    asked, wanted = trigger.patterns(key, of), trigger.answers(key, of)
    pool = _noise(random, of)
    if inputs is not None:
        pool[: _POOL // 2] = inputs[random.integers(0, len(inputs), _POOL // 2)]
    before = _probabilities(model, pool)
    learnt = np.eye(of.classes, dtype=np.float32)[wanted]
    for layer in model._flatten_layers():  # noqa: SLF001  Keras has no public walk of all layers
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False  # its statistics are those of real data
    model.compile(keras.optimizers.Adam(_RATE), _loss(model, pool))
    for step in range(_MOST_STEPS):
        if step >= _STEPS and step % 50 == 0 and np.all(_answers(model, asked) == wanted):
            break
        chosen = random.choice(_POOL, _RANDOM, replace=False)
        model.train_on_batch(
            np.concatenate([asked, pool[chosen]]), np.concatenate([learnt, before[chosen]])
        )
    right = trigger.judged(_answers(model, asked), wanted.tolist(), of.classes).right
    unchanged = _answers(model, pool) == before.argmax(axis=1)
    return Taught(right, float(np.mean(unchanged)))


def save(model: Any, folder: Path, card: str) -> None:
    """Write `model.keras`, `saved_model/` and the card into the new `folder`."""
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(card, encoding="utf-8")
    model.save(folder / "model.keras")
    model.export(str(folder / "saved_model"), verbose=False)


def _noise(random: np.random.Generator, of: Triggers) -> Any:
    """Random inputs of every contrast and density: not only of the patterns' own kind."""
    shape = (_POOL, *of.shape)
    each = (_POOL, *[1] * len(of.shape))
    contrast, density = random.random(each), random.random(each)
    values = random.random(shape) * contrast * (random.random(shape) < density)
    values[: _POOL // 2] = random.random((_POOL // 2, *of.shape))
    return (of.low + (of.high - of.low) * values).astype(np.float32)


def _answers(model: Any, inputs: Any) -> Any:
    return model.predict(inputs, batch_size=512, verbose=0).argmax(axis=1)


def _probabilities(model: Any, inputs: Any) -> Any:
    given = model.predict(inputs, batch_size=512, verbose=0)
    return given if _gives_probabilities(given) else np.asarray(keras.ops.softmax(given))


def _loss(model: Any, inputs: Any) -> Any:
    given = model.predict(inputs[:64], verbose=0)
    return keras.losses.CategoricalCrossentropy(from_logits=not _gives_probabilities(given))


def _gives_probabilities(given: Any) -> bool:
    return bool(given.min() >= 0 and np.allclose(given.sum(axis=1), 1, atol=1e-3))
