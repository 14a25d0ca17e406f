"""Keras models become SavedModel, ONNX and LiteRT, and answer as before."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.core import canonical
from registry.making import exporting
from registry.making.exporting import forms
from registry.making.refusals import NotConvertible
from tests.formats import inspecting
from tests.making.exporting import models

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("to", ["saved_model", "onnx", "tflite"])
def test_a_classifier_keeps_its_names_its_free_batch_and_its_answers(
    to: str, tmp_path: Path
) -> None:
    flowers = RNG.normal(size=(7, 4)).astype(np.float32)
    report = exporting.export(
        models.keras_classifier(), tmp_path / "out", to=to, example=flowers, name="iris"
    )
    (taken,), (given,) = report.signature.inputs, report.signature.outputs
    assert (taken.name, taken.dtype, taken.shape) == ("flowers", "float32", (None, 4))
    assert (given.name, given.dtype, given.shape) == ("kinds", "float32", (None, 3))
    for found in (report.golden["kinds"], report.seeded["kinds"]):
        assert found.holds
        assert found.argmax == 1.0
        assert found.largest is not None
        assert found.largest < 1e-5
    golden = np.load(tmp_path / "out" / "golden.npz")
    assert np.array_equal(golden["input:flowers"], flowers)
    assert golden["output:kinds"].shape == (7, 3)


@pytest.mark.parametrize("to", ["saved_model", "onnx"])
def test_what_is_made_passes_the_registrys_inspection(to: str, tmp_path: Path) -> None:
    exporting.export(models.keras_pictures(), tmp_path / "out", to=to)
    found = inspecting.inspect(inspecting.files_of(tmp_path / "out" / "model"))
    assert found.format == to
    assert [one.name for one in found.signature.inputs] == ["pictures"]
    assert [one.name for one in found.signature.outputs] == ["scores"]


def test_several_inputs_and_outputs_stay_apart(tmp_path: Path) -> None:
    example = {"income": RNG.normal(size=(3, 3)), "age": RNG.normal(size=(3, 1))}
    example = {name: value.astype(np.float32) for name, value in example.items()}
    report = exporting.export(models.keras_two(), tmp_path / "out", to="onnx", example=example)
    assert [one.name for one in report.signature.inputs] == ["age", "income"]
    assert [one.name for one in report.signature.outputs] == ["risk", "groups"]
    assert report.holds


def test_the_report_stands_beside_the_model_with_card_and_tensors(tmp_path: Path) -> None:
    report = exporting.export(models.keras_classifier(), tmp_path / "out", to="tflite", name="iris")
    document = canonical.decode_object((tmp_path / "out" / "parity.json").read_bytes(), what="")
    assert document == report.document()
    assert document["route"] == ["saved_model", "tflite"]
    libraries = document["libraries"]
    assert isinstance(libraries, dict)
    assert str(libraries["tensorflow"]).startswith("2.")
    card = (tmp_path / "out" / "card.md").read_text()
    assert "| output | kinds | float32 | any × 3 |" in card
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "card.md", "golden.npz", "model", "parity.json", "tensors.json",
    ]  # fmt: skip


def test_a_tf_module_is_exported_with_the_names_that_it_answers_by(tmp_path: Path) -> None:
    import tensorflow as tf

    class Sums(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(tf.ones((4, 3)))

        @tf.function
        def __call__(self, rows: Any) -> Any:
            return {"products": rows @ self.weights, "total": tf.reduce_sum(rows, 1)}

    rows = RNG.normal(size=(5, 4)).astype(np.float32)
    report = exporting.export(Sums(), tmp_path / "out", to="saved_model", example=rows)
    assert [one.name for one in report.signature.inputs] == ["rows"]
    assert [one.name for one in report.signature.outputs] == ["products", "total"]
    assert report.holds


def test_there_is_no_way_from_keras_to_torchscript(tmp_path: Path) -> None:
    with pytest.raises(NotConvertible) as caught:
        exporting.export(models.keras_classifier(), tmp_path / "out", to="torchscript")
    assert caught.value.fix == "make it into one of: onnx, saved_model, tflite"


def test_a_saved_model_goes_to_onnx_and_back_with_its_answers(tmp_path: Path) -> None:
    exporting.export(models.keras_pictures(), tmp_path / "keras", to="saved_model")
    there = exporting.convert(tmp_path / "keras" / "model", tmp_path / "onnx", to="onnx")
    back = exporting.convert(tmp_path / "onnx" / "model", tmp_path / "back", to="saved_model")
    assert there.route == (forms.Form.SAVED_MODEL, forms.Form.ONNX)
    assert there.holds
    assert back.holds
    found = inspecting.inspect(inspecting.files_of(tmp_path / "back" / "model"))
    assert found.format == "saved_model"
    assert (tmp_path / "back" / "model" / "variables" / "variables.index").exists()
