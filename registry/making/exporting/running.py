"""A written model, opened by the engine of its format and asked.

Only for what this process may trust: files that it wrote itself, or inside of a child that is
shut in. The engines are heavy and are loaded when the first model of their format is opened.
"""

import importlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from registry import errors
from registry.core import canonical, tensors
from registry.core.tensors import Signature, Tensor
from registry.making.exporting import forms
from registry.making.exporting.forms import Form
from registry.making.exporting.report import Array, Arrays

TENSORS = "tensors.json"
_ONNX_DTYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16",
    "tensor(bfloat16)": "bfloat16", "tensor(string)": "string", "tensor(bool)": "bool",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}"
       for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


class Opened(Protocol):
    """A model that can be asked."""

    signature: Signature

    def run(self, inputs: Arrays) -> Arrays:
        """Outputs by name, for inputs by name."""


def library(name: str, extra: str) -> ModuleType:
    """A library that not everybody has; raises InvalidConfig that says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise errors.InvalidConfig(
            f"{name} is needed for this and cannot be loaded: {error}",
            fix=f"pip install 'plimsoll[{extra}]'",
        ) from error


def head(form: Form, folder: Path) -> Path:
    """The file that a model of this form is known by; raises InvalidInput."""
    usual = folder / forms.HEADS[form]
    if usual.exists():
        return usual
    found = sorted(one for one in folder.iterdir() if forms.ENDINGS.get(one.suffix) is form)
    if len(found) != 1:
        raise errors.InvalidInput(
            f"{folder}: {len(found)} files could be the {forms.TITLES[form]} model",
            fix="name a folder that holds one model",
        )
    return found[0]


def opened(form: Form, folder: Path) -> Opened:
    """The model in `folder`; raises InvalidInput where its engine does not load it."""
    kinds: Mapping[Form, Callable[[Path], Opened]] = {
        Form.ONNX: _Onnx,
        Form.SAVED_MODEL: _SavedModel,
        Form.TORCHSCRIPT: _TorchScript,
        Form.TFLITE: _LiteRT,
    }
    try:
        return kinds[form](folder)
    except errors.PlimsollError:
        raise
    except Exception as error:
        raise errors.InvalidInput(
            f"{folder}: {forms.TITLES[form]} cannot be loaded: {str(error)[:300]}",
            fix="export the model again",
        ) from error


class _Onnx:
    def __init__(self, folder: Path) -> None:
        engine = library("onnxruntime", "runtime")
        options = engine.SessionOptions()
        options.log_severity_level = 4
        self._session = engine.InferenceSession(
            str(head(Form.ONNX, folder)), options, providers=["CPUExecutionProvider"]
        )
        inputs, outputs = (
            tuple(_of_onnx(one) for one in side)
            for side in (self._session.get_inputs(), self._session.get_outputs())
        )
        self.signature = Signature(inputs, outputs)

    def run(self, inputs: Arrays) -> Arrays:
        names = [one.name for one in self.signature.outputs]
        return dict(zip(names, self._session.run(names, inputs), strict=True))


def _of_onnx(one: Any) -> Tensor:
    shape = tuple(size if isinstance(size, int) else None for size in one.shape)
    return Tensor(one.name, _ONNX_DTYPES.get(one.type, tensors.UNKNOWN), shape)


class _SavedModel:
    def __init__(self, folder: Path) -> None:
        tensorflow = library("tensorflow", "runtime")
        self._library = tensorflow
        self._loaded = tensorflow.saved_model.load(str(folder))
        if "serving_default" not in self._loaded.signatures:
            raise errors.InvalidInput(
                f"{folder}: it has no signature serving_default",
                fix="export it with keras model.export, or name the signature serving_default",
            )
        self.function = self._loaded.signatures["serving_default"]
        _, taken = self.function.structured_input_signature
        given = self.function.structured_outputs
        self.signature = Signature(
            tuple(_of_tensorflow(name, taken[name]) for name in _in_order(taken)),
            tuple(_of_tensorflow(name, given[name]) for name in _in_order(given)),
        )

    def run(self, inputs: Arrays) -> Arrays:
        found = self.function(
            **{name: self._library.constant(value) for name, value in inputs.items()}
        )
        return {one.name: np.asarray(found[one.name]) for one in self.signature.outputs}


def _in_order(named: Any) -> list[str]:
    """By name, as the SavedModel's own map has no order."""
    return sorted(named)


def _of_tensorflow(name: str, spec: Any) -> Tensor:
    shape = None if spec.shape.rank is None else tuple(spec.shape.as_list())
    return Tensor(name, spec.dtype.name, shape)


class _TorchScript:
    def __init__(self, folder: Path) -> None:
        self._library = library("torch", "torchscript")
        path = head(Form.TORCHSCRIPT, folder)
        stated = path.with_name(TENSORS)
        if not stated.exists():
            raise errors.InvalidInput(
                f"{path.name} does not say what it takes and gives",
                fix=f"put a {TENSORS} beside it: docs/formats.md",
            )
        self.signature = tensors.signature(
            canonical.decode_object(stated.read_bytes(), what=TENSORS)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.program = self._library.jit.load(str(path), map_location="cpu").eval()

    def run(self, inputs: Arrays) -> Arrays:
        handed = {name: self._library.from_numpy(one.copy()) for name, one in inputs.items()}
        with self._library.inference_mode():
            found = self.program(**handed)
        if not isinstance(found, dict):
            names = [one.name for one in self.signature.outputs]
            listed = list(found) if isinstance(found, tuple | list) else [found]
            found = dict(zip(names, listed, strict=True))
        return {name: np.asarray(value.detach().numpy()) for name, value in found.items()}


class _LiteRT:
    def __init__(self, folder: Path) -> None:
        tensorflow = library("tensorflow", "runtime")
        with warnings.catch_warnings():
            # It is to move to a package of its own, and has not in the version that we pin.
            warnings.simplefilter("ignore", UserWarning)
            interpreter = tensorflow.lite.Interpreter(str(head(Form.TFLITE, folder)))
        self._run = interpreter.get_signature_runner("serving_default")
        self.signature = Signature(
            tuple(_of_litert(name, one) for name, one in self._run.get_input_details().items()),
            tuple(_of_litert(name, one) for name, one in self._run.get_output_details().items()),
        )

    def run(self, inputs: Arrays) -> Arrays:
        found: dict[str, Array] = self._run(**inputs)
        return dict(found)


def _of_litert(name: str, detail: Any) -> Tensor:
    """-1 in `shape_signature` is a free size; `shape` is what it is resized to at present."""
    shape = tuple(None if size < 0 else int(size) for size in detail["shape_signature"])
    return Tensor(name, "string" if detail["dtype"] is bytes else np.dtype(detail["dtype"]).name,
                  shape)  # fmt: skip
