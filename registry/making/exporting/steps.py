"""One form made into the next: each step reads a folder and writes another.

The readers are those of the frameworks: what comes from somebody else is converted by a child
that is shut in.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from registry.making.exporting.forms import Form

Step = Callable[[Path, Path], None]


def take(before: Form, after: Form, source: Path, folder: Path) -> None:
    """Write what is in `source` into `folder`, as `after`; raises NotConvertible."""
    _STEPS[before, after](source, folder)


def _saved_model_to_onnx(source: Path, folder: Path) -> None:
    from registry.making.exporting import to_onnx  # noqa: PLC0415  heavy

    to_onnx.from_saved_model(source, folder)


def _saved_model_to_tflite(source: Path, folder: Path) -> None:
    from registry.making.exporting import to_tflite  # noqa: PLC0415  heavy

    to_tflite.from_saved_model(source, folder)


def _onnx_to_saved_model(source: Path, folder: Path) -> None:
    from registry.making.exporting import to_saved_model  # noqa: PLC0415  heavy

    to_saved_model.from_onnx(source, folder)


def _torchscript_to_onnx(source: Path, folder: Path) -> None:
    from registry.making.exporting import to_onnx  # noqa: PLC0415  heavy

    to_onnx.from_torchscript(source, folder)


_STEPS: Mapping[tuple[Form, Form], Step] = {
    (Form.SAVED_MODEL, Form.ONNX): _saved_model_to_onnx,
    (Form.SAVED_MODEL, Form.TFLITE): _saved_model_to_tflite,
    (Form.ONNX, Form.SAVED_MODEL): _onnx_to_saved_model,
    (Form.TORCHSCRIPT, Form.ONNX): _torchscript_to_onnx,
}
