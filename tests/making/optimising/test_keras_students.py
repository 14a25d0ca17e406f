"""Students in Keras: declared or brought, they learn on TensorFlow and come out as ONNX."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.errors import InvalidInput, Unsupported
from registry.making.optimising import asking
from registry.making.optimising.children import Bounds
from registry.making.optimising.kept import File, Work
from registry.making.optimising.learning import distilling
from registry.making.optimising.learning.guidance import Teacher
from tests.making.optimising import networks

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
LEARN = {"epochs": 3, "batch": 64, "learningRate": 0.01, "weightDecay": 0.0, "seed": 1,
         "threads": 1}  # fmt: skip
SCORES = {"dense": {"width": 4, "activation": "none"}}
LAYERS: list[dict[str, Any]] = [
    {"reshape": [1, 4, 4]},
    {"conv": {"channels": 8, "kernel": 3, "stride": 1, "norm": True, "activation": "relu"}},
    {"reshape": [8, 16]},
    {"encoder": {"heads": 2, "hidden": 16}},
    {"flatten": {}},
    SCORES,
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("keras-students")
    networks.model(found / "model.onnx")
    networks.samples(found / "training.npz", 1500, of=found / "model.onnx", seed=2)
    return found


def test_a_declared_student_in_keras_learns_shut_in_and_comes_out_as_onnx(
    folder: Path, tmp_path: Path
) -> None:
    step = {
        "alpha": 1.0, "distance": "kl", "temperature": 2.0, "learn": LEARN,
        "student": {"framework": "keras", "layers": LAYERS},
    }  # fmt: skip
    made = Work(tmp_path / "work", Bounds(8 << 30, 300)).do(
        "step",
        {"step": {"distil": step}, "output": "y", "label": "label"},
        {"model": File.of(folder / "model.onnx"), "training": File.of(folder / "training.npz")},
    )
    assert "a student of" in str(made.answer["notes"])
    request = {"model": "", "training": str(folder / "training.npz"), "label": "label"}
    given = distilling.training_data(request, folder / "model.onnx")
    found = asking.load(made.model.path, "y")  # called as the teacher's answer is
    assert found.inputs == (("x", "float32"),)
    assert given.labels is not None
    assert np.mean(asking.classes(found.scores(given, 64)) == given.labels) > 0.6


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The structure of:UserWarning")
def test_a_student_out_of_a_keras_file_learns_features(folder: Path, tmp_path: Path) -> None:
    import keras

    from registry.making.optimising.learning import keras_learning

    layers = [keras.Input((16,), name="x"), keras.layers.Dense(8, "relu", name="hidden"),
              keras.layers.Dense(4, "softmax", name="answer")]  # fmt: skip
    keras.Sequential(layers).save(tmp_path / "student.keras")
    given = distilling.training_data(
        {"training": str(folder / "training.npz"), "label": "label"}, folder / "model.onnx"
    )
    teacher = Teacher(folder / "model.onnx", given, None)
    asked = {
        "alpha": 0.5, "distance": "features", "temperature": 1.0, "learn": LEARN,
        "features": {"teacher": "r", "student": "hidden"},
        "student": {"framework": "keras", "path": "student.keras"},
    }  # fmt: skip
    target = tmp_path / "model.onnx"
    (note,) = keras_learning.distil(asked, teacher, str(tmp_path / "student.keras"), target)
    assert "a student of 172 weights" in str(note)
    rows = asking.load(target, None).scores(given, 64)
    assert np.allclose(rows.sum(axis=1), 1, atol=1e-4)
    assert given.labels is not None
    assert np.mean(asking.classes(rows) == given.labels) > 0.4

    asked["features"] = {"teacher": "r", "student": "nowhere"}
    with pytest.raises(Unsupported, match="no layer 'nowhere'"):
        keras_learning.distil(asked, teacher, str(tmp_path / "student.keras"), target)
    (tmp_path / "broken.keras").write_bytes(b"no archive")
    with pytest.raises(InvalidInput, match="not a Keras model"):
        keras_learning.distil(asked, teacher, str(tmp_path / "broken.keras"), target)
