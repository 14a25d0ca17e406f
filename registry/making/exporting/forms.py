"""The formats that a model can be made into, and by which steps one becomes another."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from registry import errors
from registry.making.refusals import NotConvertible


class Form(StrEnum):
    """As the registry names them; LiteRT is what TensorFlow Lite is called today."""

    ONNX = "onnx"
    SAVED_MODEL = "saved_model"
    TORCHSCRIPT = "torchscript"
    TFLITE = "tflite"


TITLES = {
    Form.ONNX: "ONNX",
    Form.SAVED_MODEL: "TensorFlow SavedModel",
    Form.TORCHSCRIPT: "TorchScript",
    Form.TFLITE: "LiteRT",
}
# The one file that a form is, or that it is known by.
HEADS = {
    Form.ONNX: "model.onnx",
    Form.SAVED_MODEL: "saved_model.pb",
    Form.TORCHSCRIPT: "model.pt",
    Form.TFLITE: "model.tflite",
}
ENDINGS = {
    ".onnx": Form.ONNX, ".tflite": Form.TFLITE, ".pt": Form.TORCHSCRIPT, ".pth": Form.TORCHSCRIPT,
    ".ts": Form.TORCHSCRIPT, ".torchscript": Form.TORCHSCRIPT, ".pb": Form.SAVED_MODEL,
}  # fmt: skip
_SAID = {"savedmodel": Form.SAVED_MODEL, "litert": Form.TFLITE}
# What each can be made into at once.
STEPS: Mapping[Form, tuple[Form, ...]] = {
    Form.TORCHSCRIPT: (Form.ONNX,),
    Form.ONNX: (Form.SAVED_MODEL,),
    Form.SAVED_MODEL: (Form.ONNX, Form.TFLITE),
    Form.TFLITE: (),
}


def form(text: str) -> Form:
    """The form that somebody named; raises InvalidInput."""
    said = text.lower().replace("-", "_")
    if said in _SAID:
        return _SAID[said]
    if said not in set(Form):
        raise errors.InvalidInput(
            f"format {text[:40]!r} is not known", fix=f"use one of: {', '.join(Form)}"
        )
    return Form(said)


def route(starts: Iterable[Form], end: Form, *, what: str) -> tuple[Form, ...]:
    """The shortest way from one of `starts`, both ends included; raises NotConvertible."""
    ways: list[tuple[Form, ...]] = [(start,) for start in starts]
    reached = {way[0] for way in ways}
    for way in ways:  # it grows while it is walked: breadth first
        if way[-1] == end:
            return way
        for following in STEPS[way[-1]]:
            if following not in reached:
                reached.add(following)
                ways.append((*way, following))
    raise NotConvertible(
        f"{what} cannot be made into {TITLES[end]}",
        fix=f"make it into one of: {', '.join(sorted(reached)) or 'none'}",
    )
