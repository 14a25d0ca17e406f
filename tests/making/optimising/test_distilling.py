"""Distillation by recipes: a student learns what its teacher says, and becomes the model."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from registry.core.facts import Relation
from registry.core.recipes import planning, report
from registry.errors import Unsupported
from registry.making.optimising import asking, layers, runs, samples
from registry.making.optimising.learning import distilling, students
from registry.making.optimising.learning.guidance import Teacher
from registry.making.optimising.learning.tuning import Beside, Tuned
from tests.making.optimising import networks

DENSE: dict[str, Any] = {"activation": "none"}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("distilling")
    networks.model(found / "model.onnx")
    layers.gather(found / "model.onnx", found / "gathered.onnx")
    networks.samples(found / "training.npz", 2000, of=found / "model.onnx", seed=2)
    networks.samples(found / "golden.npz", 400, of=found / "model.onnx", seed=3)
    return found


def asked(folder: Path, **changed: Any) -> dict[str, Any]:
    """A job's request."""
    learn = {"epochs": 6, "batch": 64, "learningRate": 0.01, "weightDecay": 0.0, "seed": 1,
             "threads": 1}  # fmt: skip
    layered = [{"dense": {"width": 24, "activation": "relu"}}, {"dense": {"width": 4} | DENSE}]
    step: dict[str, Any] = {
        "alpha": 1.0, "distance": "kl", "temperature": 2.0, "learn": learn,
        "student": {"framework": "torch", "layers": layered},
    }  # fmt: skip
    return {
        "model": str(folder / "gathered.onnx"), "training": str(folder / "training.npz"),
        "label": "label", "output": None, "step": {"distil": step | changed},
    }  # fmt: skip


def test_the_same_seed_makes_the_same_student_and_another_seed_another(
    folder: Path, tmp_path: Path
) -> None:
    made = [tmp_path / f"{number}.onnx" for number in range(3)]
    learn = asked(folder)["step"]["distil"]["learn"]
    notes = [
        distilling.distil(asked(folder, learn=learn | {"seed": seed}), target)
        for target, seed in zip(made, (1, 1, 2), strict=True)
    ]
    assert made[0].read_bytes() == made[1].read_bytes() != made[2].read_bytes()
    assert notes[0] == notes[1]
    assert "a student of 508 weights" in str(notes[0])


def test_what_the_teacher_says_is_learnt_and_not_only_the_labels(
    folder: Path, tmp_path: Path
) -> None:
    given = distilling.training_data(asked(folder), folder / "gathered.onnx")
    teacher = asking.classes(asking.load(folder / "model.onnx", None).scores(given, 64))
    agreed = []
    for alpha in (1e-6, 20.0):
        target = tmp_path / f"{alpha}.onnx"
        # A tenth of the labels is wrong: who learns the teacher does not learn that.
        distilling.distil(asked(folder, alpha=alpha), target)
        found = asking.classes(asking.load(target, None).scores(given, 64))
        agreed.append(float(np.mean(found == teacher)))
    assert agreed[1] > agreed[0]


def test_a_student_learns_features_through_a_map_that_is_not_kept(
    folder: Path, tmp_path: Path
) -> None:
    features = {"teacher": "r", "student": "layer_1"}
    request = asked(folder, distance="features", features=features, alpha=0.5)
    distilling.distil(request, tmp_path / "model.onnx")
    made = onnx.load(tmp_path / "model.onnx")
    assert sum(one.dims[0] * one.dims[1] for one in made.graph.initializer if len(one.dims) == 2) \
        == 24 * (networks.WIDTH + networks.CLASSES)  # fmt: skip
    request["step"]["distil"]["features"] = {"teacher": "nowhere", "student": "layer_1"}
    with pytest.raises(Unsupported, match="no tensor or node 'nowhere'"):
        distilling.distil(request, tmp_path / "model.onnx")


def test_a_student_that_is_brought_keeps_its_graph(folder: Path, tmp_path: Path) -> None:
    networks.model(tmp_path / "brought.onnx")
    before = layers.initializer(layers.load(tmp_path / "brought.onnx"), "first")
    request = asked(folder, student={"framework": "torch", "path": "brought.onnx"})
    request["student"] = str(tmp_path / "brought.onnx")
    distilling.distil(request, tmp_path / "model.onnx")
    after = layers.load(tmp_path / "model.onnx")
    assert [one.op_type for one in after.graph.node] == ["Gemm", "Relu", "Gemm"]
    assert layers.initializer(after, "first").shape == before.shape
    assert not np.array_equal(layers.initializer(after, "first"), before)


PICTURES: list[dict[str, Any]] = [
    {"reshape": [1, 4, 4]},
    {"conv": {"channels": 3, "kernel": 3, "stride": 1, "norm": True, "activation": "relu"}},
    {"maxPool": {"size": 2}},
    {"conv": {"channels": 4, "kernel": 3, "stride": 2, "norm": False, "activation": "tanh"}},
    {"flatten": {}},
    {"dense": {"width": 4} | DENSE},
]


def test_convolutions_norms_and_pools_learn_and_onnxruntime_answers_alike(
    folder: Path, tmp_path: Path
) -> None:
    student = {"framework": "torch", "layers": PICTURES}
    # `distil` itself compares what has learnt with what onnxruntime answers.
    distilling.distil(asked(folder, student=student), tmp_path / "model.onnx")
    made = layers.load(tmp_path / "model.onnx")
    (norm,) = (one for one in made.graph.node if one.op_type == "BatchNormalization")
    mean = layers.initializer(made, norm.input[3])
    assert np.abs(mean).max() > 0.01


def test_a_transformer_over_words_is_what_its_layers_say(tmp_path: Path) -> None:
    declared: list[dict[str, Any]] = [
        {"embedding": {"words": 50, "width": 8, "places": True}},
        {"encoder": {"heads": 2, "hidden": 16}},
        {"globalAverage": {}},
        {"dense": {"width": 3} | DENSE},
    ]
    what = students.Taken("words", onnx.TensorProto.INT32, (6,), "scores")
    students.write(declared, what, 1, tmp_path / "model.onnx")
    loaded = asking.load(tmp_path / "model.onnx", None)
    assert loaded.inputs == (("words", "int32"),)
    assert loaded.run({"words": np.zeros((5, 6), np.int32)}).shape == (5, 3)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ([{"conv": PICTURES[1]["conv"]}, *PICTURES[-1:]], "layer 1 of the student, conv"),
        ([{"reshape": [3, 3]}, *PICTURES[-1:]], "not as many numbers"),
        ([{"embedding": {"words": 9, "width": 2, "places": False}}], "whole numbers"),
        ([{"dense": {"width": 3} | DENSE}], "class 3, the answer has 3"),
        ([{"dense": {"width": 5} | DENSE}], "has 5 classes, its teacher 4"),
    ],
)
def test_a_student_that_does_not_fit_is_refused_with_its_layer(
    folder: Path, tmp_path: Path, declared: list[dict[str, Any]], said: str
) -> None:
    student = {"framework": "torch", "layers": declared}
    with pytest.raises(Unsupported, match=said):
        distilling.distil(asked(folder, student=student), tmp_path / "model.onnx")


def test_what_cannot_learn_is_refused_by_the_name_of_its_operation(
    folder: Path, tmp_path: Path
) -> None:
    model = layers.load(folder / "gathered.onnx")
    model.graph.node[1].op_type = "Softsign"
    layers.save(model, tmp_path / "strange.onnx")
    request = asked(folder, student={"framework": "torch", "path": "strange.onnx"})
    request["student"] = str(tmp_path / "strange.onnx")
    with pytest.raises(Unsupported, match="Softsign cannot learn here"):
        distilling.distil(request, tmp_path / "model.onnx")


def test_the_recipe_on_the_page_makes_a_student_of_digits_that_holds(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(labels))
    rows, labels = images[order].astype(np.float32) / 16, labels[order]
    np.savez(tmp_path / "training.npz", x=rows[:1300], label=labels[:1300])
    np.savez(tmp_path / "golden.npz", x=rows[1300:], label=labels[1300:])
    teach(tmp_path / "model.onnx", tmp_path / "training.npz")
    page = (Path(__file__).parents[3] / "docs" / "optimise.md").read_text()
    (shown,) = re.findall(r"```yaml\n(apiVersion[^`]*?digits-student.*?)```", page, re.DOTALL)
    recipe = planning.read("digits-student.yaml", shown.encode())
    assert planning.plan(recipe.spec)[0].relations == (Relation.DISTILLED,)
    given = runs.Given(recipe, tmp_path, tmp_path / "model.onnx", "digits@3")
    found = runs.run(given, tmp_path / "work", progress=lambda *_: None).run
    assert found.best is not None, report.page(found)
    assert found.best.measured.accuracy > 0.94


def teach(path: Path, training: Path) -> None:
    """A wide network that knows digits."""
    wide = [{"dense": {"width": 512, "activation": "relu"}}, {"dense": {"width": 10} | DENSE}]
    students.write(wide, students.Taken("x", onnx.TensorProto.FLOAT, (64,), "y"), 1, path)
    given = samples.read(training, (("x", "float32"),), "label")
    learn = {"epochs": 10, "batch": 64, "learningRate": 0.003, "weightDecay": 0.0, "seed": 1,
             "threads": 1}  # fmt: skip
    tuned = Tuned({"learn": learn}, Teacher(path, given, None), path)
    tuned.learn(Beside())
    tuned.written(path)
