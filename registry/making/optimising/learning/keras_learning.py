"""Distillation in Keras on TensorFlow: a declared student, or one out of a `.keras` file.

The loss is that of `guidance`, said in Keras; what has learnt is written as ONNX by the exporter,
which compares the answers of both.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from registry.core.canonical import Json
from registry.errors import InvalidInput, Unsupported
from registry.making.exporting import exports
from registry.making.optimising.learning import keras_students, students, teachers
from registry.making.optimising.learning.guidance import Teacher
from registry.making.optimising.learning.networks import require_tensor
from registry.making.optimising.samples import Array

_EXAMPLES = 16
_STEEPEST = 5.0


def distil(
    asked: Mapping[str, Any], teacher: Teacher, student: str | None, target: Path
) -> list[Json]:
    """As `distilling.distil`, of a student in Keras."""
    learn = asked["learn"]
    model = _begun(asked, teacher, student)
    teachers.require_inputs(list(teacher.given.inputs), [one.name for one in model.inputs])
    wanted = _wanted(asked, teacher, target.parent)
    learning, goals, losses = _learning(asked, model, teacher, wanted)
    inputs = {name: np.asarray(rows) for name, rows in teacher.given.inputs.items()}
    steps = -(-len(teacher.given) // learn["batch"]) * learn["epochs"]
    learning.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(learn["learningRate"], steps),
            weight_decay=learn["weightDecay"], global_clipnorm=_STEEPEST,
        ),
        losses,
    )  # fmt: skip
    done = learning.fit(inputs, goals, batch_size=learn["batch"], epochs=learn["epochs"], verbose=0)
    last = float(done.history["loss"][-1])
    if not np.isfinite(last):
        raise Unsupported("its loss is no number any more", fix="lower learn.learningRate")
    _write(model, {name: rows[:_EXAMPLES] for name, rows in inputs.items()}, target)
    return [f"a student of {model.count_params():,} weights, its loss at the end {last:.4f}"]


def seeded(learn: Mapping[str, Any]) -> None:
    """Keras draws from the seed, and TensorFlow computes the same each time: once a process, before
    anything else."""
    keras.utils.set_random_seed(learn["seed"])
    tf.config.threading.set_intra_op_parallelism_threads(learn["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()


def _begun(asked: Mapping[str, Any], teacher: Teacher, student: str | None) -> Any:
    """The student before it learns; no code of a file is run."""
    if student is None:
        what = students.taken(teacher.path, teacher.output)
        return keras_students.declared(asked["student"]["layers"], what)
    try:
        return keras.saving.load_model(student, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InvalidInput(
            f"not a Keras model that can be loaded: {str(error).splitlines()[0][:200]}",
            fix="save it with model.save('NAME.keras'), without Lambda layers",
        ) from error


def _wanted(asked: Mapping[str, Any], teacher: Teacher, work: Path) -> Array:
    if asked["distance"] == "kl":
        return teachers.scores(teacher.path, teacher.given, teacher.output)
    tensor = require_tensor(teacher.path, asked["features"]["teacher"])
    return teachers.features(teacher.path, teacher.given, tensor, work)


def _learning(
    asked: Mapping[str, Any], model: Any, teacher: Teacher, wanted: Array
) -> tuple[Any, list[Array], list[Any]]:
    """What is fitted: the student, for features with a map beside it; its goals; its losses."""
    labels = teacher.given.labels
    if labels is None or len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        raise Unsupported("a student in Keras has one output (n, classes)")
    classes = int(model.outputs[0].shape[1])
    teachers.require_classes(labels, classes)
    few = model.predict({name: rows[:64] for name, rows in teacher.given.inputs.items()}, verbose=0)
    is_probability = teachers.are_probabilities(few)
    own = np.eye(classes, dtype=np.float32)[labels]
    if asked["distance"] == "kl":
        if wanted.shape[1] != classes:
            raise Unsupported(
                f"the student has {classes} classes, its teacher {wanted.shape[1]}",
                fix="give the student's last layer a row for each class of the teacher",
            )
        both = np.concatenate([own, wanted], axis=1)
        return model, [both], [_softened(asked, classes, is_probability=is_probability)]
    try:
        feature = model.get_layer(asked["features"]["student"]).output
    except ValueError as error:
        raise Unsupported(
            f"the student has no layer {asked['features']['student']!r}",
            fix="name a layer; layer_3 is the third that is declared",
        ) from error
    mapped = keras.layers.Dense(wanted.shape[1])(keras.layers.Flatten()(feature))
    learning = keras.Model(model.inputs, [model.outputs[0], mapped])

    def apart(goal: Any, found: Any) -> Any:
        return asked["alpha"] * keras.ops.mean(keras.ops.square(goal - found), axis=1)

    return learning, [own, wanted], [_entropy(is_probability=is_probability), apart]


def _entropy(*, is_probability: bool) -> Any:
    def of(goal: Any, found: Any) -> Any:
        return -keras.ops.sum(goal * _logs(found, is_probability=is_probability), axis=1)

    return of


def _softened(asked: Mapping[str, Any], classes: int, *, is_probability: bool) -> Any:
    """Cross entropy and alpha · T² · KL of one batch, whose goals are labels and scores."""
    heat, alpha, own = asked["temperature"], asked["alpha"], _entropy(is_probability=is_probability)

    def of(goal: Any, found: Any) -> Any:
        scores = _logs(found, is_probability=is_probability)
        teacher = keras.ops.log_softmax(goal[:, classes:] / heat, axis=1)
        student = keras.ops.log_softmax(scores / heat, axis=1)
        apart = keras.ops.sum(keras.ops.exp(teacher) * (teacher - student), axis=1)
        return own(goal[:, :classes], found) + alpha * heat**2 * apart

    return of


def _logs(found: Any, *, is_probability: bool) -> Any:
    """Log probabilities of an answer."""
    if is_probability:
        return keras.ops.log(keras.ops.maximum(found, 1e-7))
    return keras.ops.log_softmax(found, axis=1)


def _write(model: Any, examples: Mapping[str, Array], target: Path) -> None:
    folder = target.with_name("exported")
    exports.export(model, folder, to="onnx", example=dict(examples))
    shutil.move(folder / exports.MODEL / "model.onnx", target)
    shutil.rmtree(folder)
