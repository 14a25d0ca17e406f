"""Classify and regress, whatever carries the question: who can be asked, and what outputs mean.

A SavedModel says in a signature that it classifies or regresses; rules and words are those of
TensorFlow Serving's classifier.cc and regressor.cc. Other formats cannot say so: there the outputs
decide, by TensorFlow Serving's names or, as scikit-learn's converter has them, by their form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from registry.core.tensors import Tensor
from registry.errors import InvalidInput
from runtime.backends import bfloat16
from runtime.backends.protocol import DEFAULT_CALL, Array, Arrays, Call
from runtime.inference.asked import Asked
from runtime.protocols import example_inputs
from runtime.protocols.examples import Example
from runtime.refusals import NoSuchSignature

_FLOATS = {"bfloat16", "float16", "float32", "float64"}
_SCORES = ("scores", "probabilities")


class Task(StrEnum):
    """By the method's name in a signature."""

    CLASSIFY = "tensorflow/serving/classify"
    REGRESS = "tensorflow/serving/regress"

    @property
    def noun(self) -> str:
        return "classification" if self is Task.CLASSIFY else "regression"


@dataclass(frozen=True, slots=True)
class Plan:
    """How one signature is asked. `packed` is the input that takes serialised Examples, empty
    where inputs are made of features; outputs that there are not are empty too."""

    task: Task
    name: str
    call: Call
    packed: str = ""
    classes: str = ""
    scores: str = ""
    values: str = ""

    def of(self, items: Sequence[bytes], *, context: bytes, limit: int) -> Asked:
        """Only where it takes serialised Examples."""
        return self._asked({self.packed: example_inputs.packed(items, context=context,
                                                               limit=limit)})  # fmt: skip

    def by_feature(self, rows: Sequence[Example], *, limit: int) -> Asked:
        """Only where its inputs are made of features."""
        return self._asked(example_inputs.by_feature(self.call, rows, limit=limit))

    def _asked(self, inputs: Arrays) -> Asked:
        outputs = tuple(filter(None, (self.classes, self.scores, self.values)))
        return Asked(self.name, inputs, outputs)


def planned(calls: Mapping[str, Call], name: str, task: Task, *, form: str) -> Plan:
    """For the signature `name`, empty for the default one, of a model of the format `form`.

    Raises `InvalidInput`, and `NoSuchSignature` where it is not one that can be asked so.
    """
    name = name or DEFAULT_CALL
    call = calls.get(name)
    if call is None:
        raise InvalidInput(f"No signature was found with the name: {name[:200]}")
    return _declared(task, name, call) if form == "saved_model" else _by_outputs(task, name, call)


def classified(
    plan: Plan, outputs: Arrays, count: int, *, labels: Sequence[str]
) -> tuple[list[list[bytes]], Array]:
    """Labels and scores of each class of each Example."""
    scores, classes = outputs.get(plan.scores), outputs.get(plan.classes)
    for name, found in (("classes", classes), ("scores", scores)):
        if found is not None and found.ndim != 2:
            raise InvalidInput(
                "Expected Tensor shape: [batch_size num_classes] but got " + _printed(found.shape)
            )
        if found is not None and len(found) != count:
            raise InvalidInput(f"Expected {name} output batch size of {count}. Got: {len(found)}")
    if classes is None:
        known = outputs[plan.scores]
        return [_named(plan, known.shape[1], labels)] * count, _floats(known)
    if scores is None:
        return classes.tolist(), np.zeros(classes.shape, np.float32)
    if classes.shape[1] != scores.shape[1]:
        raise InvalidInput(
            "Tensors class and score should match in dim_size(1). Got "
            f"{classes.shape[1]} vs. {scores.shape[1]}"
        )
    return classes.tolist(), _floats(scores)


def regressed(plan: Plan, outputs: Arrays, count: int) -> Array:
    """One value an Example."""
    found = outputs[plan.values]
    if found.ndim != 1 and (found.ndim != 2 or found.shape[1] != 1):
        raise InvalidInput(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            + _printed(found.shape)
        )
    if len(found) != count:
        raise InvalidInput(
            f"Input batch size did not match output batch size: {count} vs. {len(found)}"
        )
    return _floats(found).reshape(count)


def _declared(task: Task, name: str, call: Call) -> Plan:
    if call.method != task:
        raise InvalidInput(
            f"Expected {task.noun} signature method_name to be {task}. Was: {call.method}"
        )
    inputs, outputs = call.signature.inputs, _outputs(call)
    if len(inputs) != 1:
        raise InvalidInput("Expected one input Tensor.")
    if inputs[0].name != "inputs" or inputs[0].dtype != "string":
        raise NoSuchSignature(
            f"No {task.noun} inputs found in SignatureDef: {name}, which takes {_said(inputs)}"
        )
    if task is Task.CLASSIFY:
        return _declared_classes(name, call)
    if len(outputs) != 1:
        raise InvalidInput("Expected one output Tensor.")
    if "outputs" not in outputs:
        raise NoSuchSignature(f"No regression outputs found in SignatureDef: {name}")
    _require_type(outputs["outputs"], "float32", "output")
    return Plan(task, name, call, "inputs", values="outputs")


def _declared_classes(name: str, call: Call) -> Plan:
    outputs = _outputs(call)
    if not 1 <= len(outputs) <= 2:
        raise InvalidInput(f"Expected one or two output Tensors, found {len(outputs)}")
    found = {one: one for one in ("classes", "scores") if one in outputs}
    if not found:
        raise _no_scores(call)
    for one in found:
        _require_type(outputs[one], "float32" if one == "scores" else "string", one)
    return Plan(Task.CLASSIFY, name, call, "inputs", **found)


def _by_outputs(task: Task, name: str, call: Call) -> Plan:
    outputs = _outputs(call)
    floats = [one for one in outputs.values() if one.dtype in _FLOATS]
    if task is Task.REGRESS:
        only = floats if len(outputs) == 1 else []
        fitting = [one for one in floats if one.name == "outputs"] or only
        if not fitting or not _is_column(fitting[0]):
            raise NoSuchSignature(
                f"No regression outputs found in SignatureDef: {name} gives "
                f"{_said(call.signature.outputs)}",
                fix="name an output of one float an example 'outputs', or let it be the only one",
            )
        return Plan(task, name, call, values=fitting[0].name)
    matrices = [one for one in floats if one.shape is None or len(one.shape) == 2]
    named = [one for wanted in _SCORES for one in matrices if one.name == wanted]
    scores = named or (matrices if len(matrices) == 1 else [])
    classes = outputs.get("classes")
    with_classes = classes is not None and classes.dtype == "string"
    if not scores and not with_classes:
        raise _no_scores(call)
    return Plan(
        task,
        name,
        call,
        classes="classes" if with_classes else "",
        scores=scores[0].name if scores else "",
    )


def _named(plan: Plan, count: int, labels: Sequence[str]) -> list[bytes]:
    """A SavedModel that gives no classes has none. Elsewhere they are from the version's file,
    or else numbered, as TensorFlow's own estimators do."""
    if plan.packed:
        return [b""] * count
    return [(labels[at] if at < len(labels) else str(at)).encode() for at in range(count)]


def _outputs(call: Call) -> dict[str, Tensor]:
    return {tensor.name: tensor for tensor in call.signature.outputs}


def _is_column(tensor: Tensor) -> bool:
    return tensor.shape is None or len(tensor.shape) == 1 or tensor.shape[1:] == (1,)


def _require_type(tensor: Tensor, dtype: str, what: str) -> None:
    if tensor.dtype != dtype:
        names = {"float32": "DT_FLOAT", "float64": "DT_DOUBLE", "float16": "DT_HALF"}
        wanted, got = (names.get(one, f"DT_{one.upper()}") for one in (dtype, tensor.dtype))
        raise InvalidInput(f"Expected {what} Tensor of {wanted}. Got: {got}")


def _no_scores(call: Call) -> NoSuchSignature:
    return NoSuchSignature(
        "Expected classification signature outputs to contain at least one of "
        f'"classes" or "scores". Signature was: {_said(call.signature.outputs)}',
        fix="name the output of a float for each class 'scores'",
    )


def _said(tensors: Sequence[Tensor]) -> str:
    return ", ".join(f"{one.name} ({one.dtype}, {_printed(one.shape)})" for one in tensors)


def _printed(shape: tuple[int | None, ...] | None) -> str:
    if shape is None:
        return "of any shape"
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"


def _floats(found: Array) -> Array:
    with np.errstate(over="ignore"):
        return bfloat16.numbers(found).astype(np.float32, copy=False)
