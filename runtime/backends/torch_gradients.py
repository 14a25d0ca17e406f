"""Gradients of a TorchScript program, by PyTorch's own differentiation."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from registry.errors import InvalidInput
from runtime.backends import gradient_calls, torch_maps
from runtime.backends.gradient_calls import GRADIENT, LAYER, MAPS, SCORE, SLOPES, TARGET
from runtime.backends.protocol import Array, Arrays, Call, Settings, objects
from runtime.backends.torch_maps import Tapped
from runtime.backends.torch_script import TorchScriptBackend, handed_in


class TorchGradients:
    """See `Backend` and `gradient_calls`."""

    calls: Mapping[str, Call]
    trouble = ""

    def __init__(self, files: Path, settings: Settings) -> None:
        self._model = TorchScriptBackend(files, settings)
        for weight in self._model.program.parameters():
            weight.requires_grad_(requires_grad=False)
        self._tapped: dict[str, Tapped] = {}
        self.calls = gradient_calls.offered(self._model.calls)

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """See `Backend.run`."""
        called, output, is_of_maps = gradient_calls.parts(call)
        floating = gradient_calls.floating(self._model.calls[called])
        given = {
            name: handed_in(value)
            for name, value in inputs.items()
            if name not in gradient_calls.CONTROLS
        }
        for name in floating:
            given[name].requires_grad_()
        if is_of_maps:
            return self._maps(output, given, inputs)
        with _plainly():
            # Copies, for a program may write to its input, and to no leaf.
            found = self._model.forward({name: one.clone() for name, one in given.items()})[output]
            score, gradients = _derived(
                found, [given[name] for name in floating], inputs[TARGET], output
            )
        by_name = zip(floating, gradients, strict=True)
        return {SCORE: score} | {
            GRADIENT + name: _numbers(torch.zeros_like(given[name]) if one is None else one)
            for name, one in by_name
        }

    def _maps(self, output: str, given: dict[str, Any], inputs: Arrays) -> dict[str, Array]:
        layer = bytes(inputs[LAYER][0]).decode()
        if layer not in self._tapped:
            self._tapped = {layer: torch_maps.tapped(self._model.program, layer)}
        tapped = self._tapped[layer]
        schema = list(self._model.program.forward.schema.arguments)[1:]
        with _plainly():
            answer, maps = tapped.run(*(given[one.name].clone() if one.name in given
                                        else one.default_value for one in schema))  # fmt: skip
            if maps.dim() != 4:
                raise InvalidInput(
                    f"the layer {tapped.layer!r} gives {list(maps.shape)}, which are no maps"
                )
            found = self._model.named(answer)[output]
            score, (slopes,) = _derived(found, [maps], inputs[TARGET], output)
        return {
            SCORE: score,
            LAYER: objects([tapped.layer.encode()], (1,)),
            MAPS: _numbers(maps),
            SLOPES: _numbers(torch.zeros_like(maps) if slopes is None else slopes),
        }

    def close(self) -> None:
        """See `Backend.close`."""
        self._model.close()


@contextmanager
def _plainly() -> Iterator[None]:
    """The executor that optimises would compile anew for every number of rows."""
    with torch.enable_grad(), torch.jit.optimized_execution(should_optimize=False):
        yield


def _derived(
    found: Any, by: list[Any], targets: Array, output: str
) -> tuple[Array, tuple[Any, ...]]:
    """The score of each row, and its gradient, None by what it does not depend on."""
    if not found.requires_grad:
        raise gradient_calls.no_gradient(output)
    mask = torch.from_numpy(gradient_calls.chosen(tuple(found.shape), targets)).to(found.dtype)
    gradients = torch.autograd.grad(found, by, mask, allow_unused=True)
    score = (found.detach() * mask).reshape(len(targets), -1).sum(1)
    return _numbers(score), gradients


def _numbers(found: Any) -> Array:
    return np.asarray(found.detach().double().contiguous().numpy())
