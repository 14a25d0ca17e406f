"""PyTorch modules, torch.export programs and TorchScript go where they can, with their answers."""

from pathlib import Path

import numpy as np
import pytest

from registry import errors
from registry.making import exporting
from tests.formats import inspecting
from tests.making.exporting import models


@pytest.mark.parametrize("to", ["torchscript", "tflite"])  # the second by ONNX and SavedModel
def test_a_module_keeps_its_answers_and_a_free_batch(to: str, tmp_path: Path) -> None:
    report = exporting.export(
        models.torch_pictures(), tmp_path / "out", to=to, example=models.PICTURES[:1]
    )
    assert report.holds
    (taken,), (given,) = report.signature.inputs, report.signature.outputs
    assert (taken.name, taken.shape) == ("pictures", (None, 3, 12, 12))
    assert (given.name, given.dtype, given.shape) == ("output", "float32", (None, 4))
    if to != "tflite":
        places = inspecting.files_of(tmp_path / "out" / "model")
        assert inspecting.inspect(places).format == to


def test_a_recurrent_one_over_words_does_too(tmp_path: Path) -> None:
    words = np.random.default_rng(1).integers(0, 20, size=(3, 7))
    report = exporting.export(
        models.torch_sequences(), tmp_path / "out", to="saved_model", example=words
    )
    assert report.route == ("onnx", "saved_model")
    assert (
        inspecting.inspect(inspecting.files_of(tmp_path / "out" / "model")).format == "saved_model"
    )
    assert report.holds
    assert report.signature.inputs[0].dtype == "int64"
    assert report.seeded["output"].argmax == 1.0


def test_a_torch_export_program_brings_its_own_example(tmp_path: Path) -> None:
    import torch

    program = torch.export.export(
        models.torch_pictures().eval(),
        (torch.from_numpy(models.PICTURES),),
        dynamic_shapes={"pictures": {0: torch.export.Dim("batch")}},
    )
    report = exporting.export(program, tmp_path / "out", to="onnx")
    assert report.source == "torch.export program"
    assert report.samples["golden"] == len(models.PICTURES)
    assert report.holds


def test_torchscript_is_converted_with_the_tensors_beside_it(tmp_path: Path) -> None:
    module = models.torch_pictures()
    exporting.export(module, tmp_path / "ts", to="torchscript", example=models.PICTURES)
    report = exporting.convert(tmp_path / "ts" / "model", tmp_path / "onnx", to="onnx")
    assert report.holds
    assert report.signature.outputs[0].shape == (None, 4)


def test_a_module_without_an_example_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        exporting.export(models.torch_pictures(), tmp_path / "out", to="onnx")
    assert caught.value.fix == "give an example of the inputs"
