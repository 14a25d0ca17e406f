"""Gradients of a TorchScript program, by PyTorch's own differentiation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.backends import gradient_calls
from runtime.backends.gradient_calls import GRADIENT, SCORE, TARGET
from runtime.backends.protocol import Array, Arrays, Call, Settings
from runtime.backends.torch_script import TorchScriptBackend, handed_in


class TorchGradients:
    """See `Backend` and `gradient_calls`."""

    calls: Mapping[str, Call]
    trouble = ""

    def __init__(self, files: Path, settings: Settings) -> None:
        self._model = TorchScriptBackend(files, settings)
        for weight in self._model.program.parameters():
            weight.requires_grad_(requires_grad=False)
        self.calls = gradient_calls.offered(self._model.calls)

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """See `Backend.run`."""
        called, output = gradient_calls.parts(call)
        floating = gradient_calls.floating(self._model.calls[called])
        given = {name: handed_in(value) for name, value in inputs.items() if name != TARGET}
        for name in floating:
            given[name].requires_grad_()
        # The executor that optimises would compile anew for every number of rows.
        with torch.enable_grad(), torch.jit.optimized_execution(should_optimize=False):
            # Copies, for a program may write to its input, and to no leaf.
            found = self._model.forward({name: one.clone() for name, one in given.items()})[output]
            if not found.requires_grad:
                raise gradient_calls.no_gradient(output)
            mask = torch.from_numpy(gradient_calls.chosen(tuple(found.shape), inputs[TARGET]))
            mask = mask.to(found.dtype)
            gradients = torch.autograd.grad(
                found, [given[name] for name in floating], mask, allow_unused=True
            )
        scores = (found.detach() * mask).reshape(len(inputs[TARGET]), -1).sum(1)
        by_name = zip(floating, gradients, strict=True)
        return {SCORE: _numbers(scores)} | {
            GRADIENT + name: _numbers(torch.zeros_like(given[name]) if one is None else one)
            for name, one in by_name
        }

    def close(self) -> None:
        """See `Backend.close`."""
        self._model.close()


def _numbers(found: Any) -> Array:
    return np.asarray(found.detach().double().contiguous().numpy())
