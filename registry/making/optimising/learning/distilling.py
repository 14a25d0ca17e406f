"""Distillation: a student learns the labels and what its teacher says, and becomes the model.

min L(w_s) + alpha D(w_s, w_t). The teacher is the model that the step gets, asked by onnxruntime.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.core.canonical import Json
from registry.making.optimising import asking, layers, samples
from registry.making.optimising.learning import alike, students, teachers, training
from registry.making.optimising.learning.guidance import Guide, Teacher
from registry.making.optimising.learning.networks import Network
from registry.making.optimising.learning.training import Loop
from registry.making.optimising.samples import Samples


def distil(said: Mapping[str, Any], target: Path) -> list[Json]:
    """Write the student that a job's request `said` asks for; returns what to tell."""
    asked, source = said["step"]["distil"], Path(said["model"])
    given = training_data(said, source)
    teacher = Teacher(source, given, said.get("output"))
    if asked["student"]["framework"] == "keras":
        from registry.making.optimising.learning import keras_learning  # noqa: PLC0415  heavy

        keras_learning.seeded(asked["learn"])
        return keras_learning.distil(asked, teacher, said.get("student"), target)
    begun = target.with_name("student.onnx")
    _begin(asked, said, teacher, begun)
    notes = _learnt(asked, teacher, begun, target)
    begun.unlink()
    return notes


def training_data(said: Mapping[str, Any], model: Path) -> Samples:
    """The samples that a job's request names, as `model` takes them, with their labels."""
    loaded = asking.load(model, said.get("output"))
    return samples.read(Path(said["training"]), loaded.inputs, said["label"])


def _begin(
    asked: Mapping[str, Any], said: Mapping[str, Any], teacher: Teacher, begun: Path
) -> None:
    """The student before it learns: declared, or the file that was brought."""
    training.seeded(asked["learn"])
    if asked["student"].get("layers"):
        what = students.taken(teacher.path, teacher.output)
        students.write(asked["student"]["layers"], what, asked["learn"]["seed"], begun)
    else:
        layers.gather(Path(said["student"]), begun)


def _learnt(asked: Mapping[str, Any], teacher: Teacher, begun: Path, target: Path) -> list[Json]:
    network, given = Network(begun), teacher.given
    teachers.require_inputs(list(given.inputs), network.inputs)
    # A student of a file may call its answer differently; the recipe's name is the teacher's.
    output = teacher.output if teacher.output in network.outputs else network.outputs[0]
    answer = training.answer(network, given, output)
    labels = training.labelled(given)
    teachers.require_classes(labels.numpy(), answer.classes)
    guide = Guide(asked, teacher, begun, target.parent)
    beside = guide.fit(network, given, answer)

    def loss(inputs: Mapping[str, Any], chosen: Any) -> Any:
        found, *tensors = network(inputs, [answer.name, *guide.tensors])
        scores = answer.scores(found)
        own = training.cross_entropy(scores, labels[chosen])
        return own + guide.distance(scores, tensors, chosen)

    last = Loop(network, given, asked["learn"], beside=beside).run(loss)
    network.write(target)
    alike.require(network, target, given, answer)
    count = sum(one.numel() for one in network.weights.values())
    return [f"a student of {count:,} weights, its loss at the end {last:.4f}"]
