"""What a teacher says to all training data, asked once by onnxruntime: any ONNX model can teach."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from registry.errors import Unsupported
from registry.making.optimising import asking, layers
from registry.making.optimising.samples import Array, Samples

_BATCH = 256
_NEAR = 1e-3


def scores(path: Path, given: Samples, output: str | None) -> Array:
    """Unnormalised log probabilities (n, classes) of the answer; raises Unsupported for others."""
    return as_scores(asking.load(path, output).scores(given, _BATCH))


def as_scores(found: Array) -> Array:
    """Scores, of answers that are scores, probabilities (n, classes), or one of them (n, 1)."""
    if found.dtype.kind != "f":
        raise Unsupported(
            "the model answers with classes, and not with a score for each",
            fix="name the output that has scores: output: in the recipe's spec",
        )
    rows = found.reshape(len(found), -1).astype(np.float32)
    if rows.shape[1] == 1:
        if rows.min() < 0 or rows.max() > 1:
            raise Unsupported("one number as the answer is no classifier's")
        rows = np.concatenate([1 - rows, rows], axis=1)
    return np.log(np.maximum(rows, 1e-12)) if are_probabilities(rows) else rows


def are_probabilities(rows: Array) -> bool:
    """Whether every row (n, classes) is at least 0 and sums to 1."""
    return bool(rows.min() >= 0 and np.allclose(rows.sum(axis=1), 1, atol=_NEAR))


def features(path: Path, given: Samples, tensor: str, work: Path) -> Array:
    """What lies in `tensor` for each sample (n, width), of spread 1; raises Unsupported."""
    model = layers.load(path)
    if tensor not in [one.name for one in model.graph.output]:
        model.graph.output.append(onnx.ValueInfoProto(name=tensor))
    opened = work / "teacher.onnx"
    layers.save(model, opened)
    found = asking.load(opened, tensor).scores(given, _BATCH)
    opened.unlink()
    if len(found) != len(given) or found.dtype.kind != "f":
        raise Unsupported(
            f"{tensor} has no row for each sample, so it is no feature of one",
            fix="name a tensor whose first axis is the samples",
        )
    rows = found.reshape(len(found), -1).astype(np.float32)
    return np.asarray((rows - rows.mean()) / (rows.std() or 1.0))


def require_classes(labels: Array, classes: int) -> None:
    """Raises Unsupported where a label is no class of the answer."""
    if labels.max() >= classes:
        raise Unsupported(
            f"training data has the class {labels.max()}, the answer has {classes}",
            fix="give the last layer a row for each class",
        )


def require_inputs(wanted: Sequence[str], found: Sequence[str]) -> None:
    """Raises Unsupported where a student takes something else than its teacher."""
    if list(wanted) != list(found):
        raise Unsupported(
            f"the student takes {', '.join(found)}, its teacher {', '.join(wanted)}",
            fix="give the student's inputs the names that the teacher's have",
        )
