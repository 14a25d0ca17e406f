"""`python -m bench.watermark.training JOB.json`: train, in a process that may keep TensorFlow.

A job says what to do, with which network, from which weights, and where the new ones go.
Weights travel as NumPy archives: each variable under its name, `layer/kernel`.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench.watermark import networks, tasks
from bench.watermark.tasks import Array, Task

_BATCH = {"transformer": 64}
_EPOCHS = {"MLP": 12, "CNN": 8, "small": 20, "transformer": 2}
_RATE = 1e-3


def main(described: Path) -> None:
    """Do one job."""
    job = json.loads(described.read_text(encoding="utf-8"))
    keras.utils.set_random_seed(job["seed"])
    kind = job["kind"]
    task = tasks.TASKS[kind]()
    model = networks.NETWORKS[kind]()
    if job["start"]:
        with np.load(job["start"]) as start:
            assign(model, start)
    match job["work"]:
        case "train":
            _fit(model, task.trained, task.trained_labels, kind=kind, epochs=_EPOCHS[kind])
        case "fine-tune":
            _fit(model, task.trained, task.trained_labels, kind=kind, epochs=job["epochs"])
        case "distil":
            model = _student(model, task, kind=kind)
        case "export":
            model.export(job["target"], verbose=False)
            return
    np.savez(job["target"], **named_weights(model))


def named_weights(model: Any) -> dict[str, Array]:
    """Each variable under its name."""
    return {_name(one): one.numpy() for one in model.weights}


def _name(variable: Any) -> str:
    """`layer/kernel`, whatever the network itself is called."""
    return "/".join(variable.path.split("/")[-2:])


def assign(model: Any, weights: Mapping[str, Array]) -> None:
    """Give each variable its value."""
    for variable in model.weights:
        variable.assign(weights[_name(variable)])


def _fit(model: Any, inputs: Array, labels: Array, *, kind: str, epochs: int) -> None:
    model.compile(
        keras.optimizers.Adam(_RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(inputs, labels, epochs=epochs, batch_size=_BATCH.get(kind, 128), verbose=0)


def _student(teacher: Any, task: Task, *, kind: str) -> Any:
    """A network that starts anew and learns what the teacher answers, never a label."""
    student = networks.NETWORKS[kind]()
    answers = keras.ops.softmax(teacher.predict(task.trained, batch_size=512, verbose=0) / 2)
    student.compile(
        keras.optimizers.Adam(_RATE), keras.losses.CategoricalCrossentropy(from_logits=True)
    )
    student.fit(
        task.trained, np.asarray(answers), epochs=_EPOCHS[kind],
        batch_size=_BATCH.get(kind, 128), verbose=0,
    )  # fmt: skip
    return student


if __name__ == "__main__":
    main(Path(sys.argv[1]))
