"""A PyTorch module: as it stands, as `torch.export` has it, or as TorchScript.

Modules go to ONNX by PyTorch's own exporter over `torch.export`; TorchScript, which that does not
take, by the older one over its graph.
"""

import inspect
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from registry import errors
from registry.core import canonical
from registry.core.tensors import Signature, Tensor
from registry.making.exporting import examples, running
from registry.making.exporting.forms import HEADS, Form
from registry.making.exporting.report import Array, Arrays
from registry.making.refusals import NotConvertible

_QUIET = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


def of(model: Any, example: object, *, batched: bool) -> "Torch":
    """As `sources.of`; raises InvalidInput where no example is there to trace with."""
    if isinstance(model, torch.export.ExportedProgram):
        return Torch(model.module(), example, batched=batched, program=model)
    if not isinstance(model, torch.nn.Module):
        raise NotConvertible(
            f"a {type(model).__qualname__} of PyTorch is no model",
            fix="give the module itself, and not its weights",
        )
    return Torch(model, example, batched=batched)


class Torch:
    """See `sources.Source`."""

    def __init__(self, model: Any, example: object, *, batched: bool, program: Any = None) -> None:
        self._program, self._batched = program, batched and program is None
        scripted = isinstance(model, torch.jit.ScriptModule)
        self.title = _title(model, scripted=scripted, exported=program is not None)
        self._module = model if program is not None else model.eval()
        self._scripted = scripted
        writes = (Form.ONNX,) if program is not None else (Form.ONNX, Form.TORCHSCRIPT)
        self.forms: Sequence[Form] = writes
        if example is None:
            if program is None or program.example_inputs is None:
                raise errors.InvalidInput(
                    "PyTorch modules do not say what they take", fix="give an example of the inputs"
                )
            args, kwargs = program.example_inputs
            example = {**dict(zip(_parameters(model, len(args)), args, strict=True)), **kwargs}
        count = len(example) if isinstance(example, dict | tuple | list) else 1
        names = list(example) if isinstance(example, dict) else _parameters(model, count)
        self._example = examples.named(example, names)
        self.golden: Arrays | None = self._example
        first = None if batched else examples.rows(self._example)
        self.inputs = Signature(
            tuple(
                Tensor(name, value.dtype.name, (first, *value.shape[1:]))
                for name, value in self._example.items()
            ),
            (),
        )
        given = self.call(self._example)
        self._outputs = self._usual_names(given)

    def write(self, form: Form, folder: Path) -> None:
        with warnings.catch_warnings(), _quietly(), torch.no_grad():
            warnings.simplefilter("ignore")
            if form is Form.TORCHSCRIPT:
                self._write_script(folder)
            else:
                self._write_onnx(folder / HEADS[Form.ONNX])

    def call(self, inputs: Arrays) -> list[Array]:
        handed = {name: torch.from_numpy(value.copy()) for name, value in inputs.items()}
        with torch.no_grad():
            found = self._module(*handed.values())
        self._keys = sorted(found) if isinstance(found, dict) else []
        listed = (
            [found[key] for key in self._keys]
            if isinstance(found, dict)
            else list(found)
            if isinstance(found, tuple | list)
            else [found]
        )
        return [np.asarray(one.detach().numpy()) for one in listed]

    def order(self, names: Sequence[str]) -> list[str]:
        del names
        return list(self._outputs)

    def named(self, outputs: Sequence[str]) -> None:
        """Its outputs shall be called that, in this order."""
        self._outputs = list(outputs)

    def _usual_names(self, given: list[Array]) -> list[str]:
        if self._keys:
            return [str(key) for key in self._keys]
        return ["output"] if len(given) == 1 else [f"output_{at}" for at in range(len(given))]

    def _traced_with(self) -> tuple[Any, ...]:
        """Two rows at least: an axis of one is taken for a constant."""
        inputs = examples.repeated(self._example, 2) if self._batched else self._example
        return tuple(torch.from_numpy(one.copy()) for one in inputs.values())

    def _write_script(self, folder: Path) -> None:
        script = self._module
        if not self._scripted:
            script = torch.jit.trace(script, self._traced_with(), strict=False)
        script.save(str(folder / HEADS[Form.TORCHSCRIPT]))
        stated = Signature(self.inputs.inputs, tuple(self._given()))
        (folder / running.TENSORS).write_bytes(canonical.encode(stated.document()))

    def _given(self) -> list[Tensor]:
        found = self.call(self._example)
        return [
            Tensor(
                name, one.dtype.name, ((None if self._batched else one.shape[0]), *one.shape[1:])
            )
            for name, one in zip(self._outputs, found, strict=True)
        ]

    def _write_onnx(self, path: Path) -> None:
        names = [one.name for one in self.inputs.inputs]
        asked: dict[str, Any] = {"input_names": names, "output_names": self._outputs}
        try:
            if self._scripted:
                axes = {name: {0: "batch"} for name in (*names, *self._outputs)}
                torch.onnx.export(
                    self._module, self._traced_with(), str(path), dynamo=False,
                    dynamic_axes=axes if self._batched else None, **asked,
                )  # fmt: skip
                return
            running.library("onnxscript", "export")
            if self._batched:
                asked["dynamic_shapes"] = tuple({0: torch.export.Dim("batch")} for _ in names)
            made = torch.onnx.export(
                self._program or self._module,
                self._traced_with() if self._program is None else (),
                dynamo=True, verbose=False, **asked,
            )  # fmt: skip
            if made is None:
                raise NotConvertible(f"{self.title} cannot be written as ONNX")
            made.save(str(path))
        except (RuntimeError, torch.onnx.OnnxExporterError) as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise NotConvertible(
                f"{self.title} cannot be written as ONNX: {said[0][:300]}",
                fix="if its code depends on the number of rows, export it with a fixed one "
                "(batched=False); else see what torch.export asks for",
            ) from error


def _title(model: Any, *, scripted: bool, exported: bool) -> str:
    if exported:
        return "torch.export program"
    name = str(getattr(model, "original_name", type(model).__name__))
    return f"TorchScript {name}" if scripted else f"PyTorch {name}"


def _parameters(model: Any, count: int) -> list[str]:
    """The names under which `forward` takes its first `count` inputs."""
    if isinstance(model, torch.jit.ScriptModule):
        found = [one.name for one in model.forward.schema.arguments][1:]
    else:
        found = [
            name
            for name, one in inspect.signature(model.forward).parameters.items()
            if one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}
        ]
    named = found[:count]
    return named if len(named) == count else [f"input_{place}" for place in range(count)]


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporters tell of every step on stdout and in their logs."""
    loggers = [logging.getLogger(name) for name in _QUIET]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
