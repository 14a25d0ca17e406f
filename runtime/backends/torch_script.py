"""TorchScript programs on PyTorch's CPU, where the optional extra `torchscript` is installed.

A program names its inputs and says nothing of types, shapes or outputs, so its publisher does: in
`tensors.json` beside it, the file that `plimsoll push --tensors` reads, signed with the version.
PyTorch has one pool of threads a process: the last version loaded says how many there are.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from registry.core import canonical, tensors
from registry.core.tensors import UNKNOWN, Signature
from registry.errors import InvalidInput, UnsafeModel
from runtime.backends import protocol
from runtime.backends.bfloat16 import BFLOAT16
from runtime.backends.protocol import (
    DEFAULT_CALL,
    DEFAULT_SETTINGS,
    NUMPY_TYPES,
    Array,
    Arrays,
    Call,
    Settings,
)

TENSORS = "tensors.json"
_SUFFIXES = {".pt", ".pth", ".ts", ".torchscript"}
_HELP = "put a tensors.json beside the program that says inputs and outputs: docs/formats.md"
# The executor watches the first runs and compiles then: clients should not be the ones to wait.
_FIRST_RUNS = 2


class TorchScriptBackend:
    """One program; its one call is `forward`."""

    calls: Mapping[str, Call]
    trouble = ""

    def __init__(self, files: Path, settings: Settings = DEFAULT_SETTINGS) -> None:
        path = _program(files)
        signature = _declared(path.with_name(TENSORS))
        torch.set_num_threads(settings.threads or os.cpu_count() or 1)
        try:
            self.program = torch.jit.load(str(path), map_location="cpu").eval()
            taken = [one.name for one in self.program.forward.schema.arguments][1:]
        except Exception as error:
            raise UnsafeModel(f"PyTorch cannot load {path.name!r}: {error}") from error
        names = tuple(tensor.name for tensor in signature.inputs)
        if strange := set(names) - set(taken):
            raise UnsafeModel(
                f"tensors.json names the input {min(strange)!r}, which forward does not take",
                fix=f"its inputs are {', '.join(taken)}",
            )
        outputs = tuple(tensor.name for tensor in signature.outputs)
        batches = protocol.has_free_rows(signature)
        self._signature = signature
        self.calls = {DEFAULT_CALL: Call(signature, "", names, outputs, batches)}
        for _ in range(_FIRST_RUNS):
            self._try(protocol.zeros(signature))

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """See `Backend.run`; there is only the default call."""
        del call
        with torch.inference_mode():
            found = self.forward({name: handed_in(value) for name, value in inputs.items()})
        taken = {name: _taken_out(value) for name, value in found.items()}
        return protocol.as_stated(self._signature, taken)

    def forward(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs by name, as the program gives them; `inputs` are tensors of PyTorch."""
        return self.named(self.program(**inputs))

    def close(self) -> None:
        """See `Backend.close`."""
        del self.program

    def _try(self, inputs: Arrays) -> None:
        """What made-up zeros do to a program is for the warm-up to judge."""
        try:
            self.run(DEFAULT_CALL, inputs)
        except (RuntimeError, InvalidInput):
            return

    def named(self, found: Any) -> dict[str, Any]:
        """The outputs by name, of what the program gave; raises `InvalidInput`."""
        if isinstance(found, dict):
            return {str(name): value for name, value in found.items()}
        values = list(found) if isinstance(found, tuple | list) else [found]
        names = [tensor.name for tensor in self._signature.outputs]
        if len(values) != len(names):
            raise InvalidInput(
                f"the program gave {len(values)} outputs, its tensors.json names {len(names)}"
            )
        return dict(zip(names, values, strict=True))


def _program(files: Path) -> Path:
    found = sorted(path for path in files.rglob("*") if path.suffix in _SUFFIXES)
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:3]) or "none"
        raise UnsafeModel(f"a TorchScript version has exactly one program, found {names}")
    return found[0]


def _declared(path: Path) -> Signature:
    try:
        document = canonical.decode_object(path.read_bytes(), what=TENSORS)
        found = tensors.signature(document)
    except OSError as error:
        raise UnsafeModel(
            "nothing says what this TorchScript program takes and gives", fix=_HELP
        ) from error
    except InvalidInput as error:
        raise UnsafeModel(f"{TENSORS}: {error.detail}", fix=error.fix or _HELP) from error
    for tensor in (*found.inputs, *found.outputs):
        if tensor.dtype in {UNKNOWN, "string"}:
            raise UnsafeModel(f"{TENSORS}: {tensor.name!r} is of type {tensor.dtype}", fix=_HELP)
    if not found.outputs or not found.inputs:
        raise UnsafeModel(f"{TENSORS}: no inputs, or no outputs", fix=_HELP)
    return found


def handed_in(value: Array) -> Any:
    """The same numbers as a tensor of PyTorch."""
    if value.dtype == BFLOAT16:
        return torch.from_numpy(_writable(value.view(np.int16))).view(torch.bfloat16)
    return torch.from_numpy(_writable(value))


def _writable(value: Array) -> Array:
    """PyTorch has no read-only tensors, and a program may write to its input."""
    return value if value.flags.writeable and value.flags.c_contiguous else value.copy()


def _taken_out(value: Any) -> Array:
    if not isinstance(value, torch.Tensor):
        raise InvalidInput(f"the program gave a {type(value).__name__}, which is no tensor")
    found = value.detach().contiguous()
    if found.dtype == torch.bfloat16:
        return np.asarray(found.view(torch.int16).numpy()).view(NUMPY_TYPES["bfloat16"])
    return np.asarray(found.numpy())
