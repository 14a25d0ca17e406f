"""Gradients of a SavedModel, by TensorFlow's tape over its signatures' functions.

The graph and session that answer clients have no functions that could be derived, so the model is
loaded as TensorFlow 2 does, in a process that does nothing else: its import is past the public
API's, as in `saved_model`, and sets how TensorFlow behaves for the whole process.
"""

import importlib
import os
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from registry.errors import InvalidInput, UnsafeModel
from runtime.backends import gradient_calls, saved_model
from runtime.backends.bfloat16 import BFLOAT16
from runtime.backends.gradient_calls import GRADIENT, SCORE, TARGET
from runtime.backends.protocol import Array, Arrays, Call


class SavedModelGradients:
    """See `Backend` and `gradient_calls`."""

    calls: Mapping[str, Call]
    trouble = ""

    def __init__(self, files: Path) -> None:
        self._engine = _engine()
        folder = str(saved_model.model_folder(files))
        try:
            graph = self._engine.graphs.SavedModelLoader(folder)
            described = graph.get_meta_graph_def_from_tags([saved_model.TAG])
            # Kept, for its functions hold its variables weakly.
            self._model = self._engine.loader.load(folder, [saved_model.TAG])
        except (OSError, RuntimeError, ValueError, self._engine.errors.OpError) as error:
            raise UnsafeModel(f"TensorFlow cannot load the model for gradients: {error}") from error
        self._calls = saved_model.calls(described.signature_def)
        self.calls = gradient_calls.offered(self._calls)

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """See `Backend.run`."""
        engine, targets = self._engine, inputs[TARGET]
        called, output = gradient_calls.parts(call)
        floating = gradient_calls.floating(self._calls[called])
        given = {name: self._tensor(value) for name, value in inputs.items() if name != TARGET}
        try:
            with engine.backprop.GradientTape() as tape:
                tape.watch([given[name] for name in floating])
                found = self._model.signatures[called](**given)[output]
            mask = gradient_calls.chosen(tuple(found.shape), targets)
            at_target = engine.math.cast(mask, found.dtype)
            gradients = tape.gradient(
                found, [given[name] for name in floating], output_gradients=at_target
            )
        except engine.invalid as error:
            raise InvalidInput(error.message) from error
        if all(one is None for one in gradients):
            raise gradient_calls.no_gradient(output)
        scores = (self._numbers(found) * mask).reshape(len(targets), -1).sum(axis=1)
        by_name = zip(floating, gradients, strict=True)
        return {SCORE: scores} | {
            GRADIENT + name: np.zeros(given[name].shape) if one is None else self._numbers(one)
            for name, one in by_name
        }

    def close(self) -> None:
        """See `Backend.close`."""
        del self._model

    def _tensor(self, value: Array) -> Any:
        is_bits = value.dtype == BFLOAT16
        plain = value.view(self._engine.dtypes.bfloat16.as_numpy_dtype) if is_bits else value
        return self._engine.ops.convert_to_tensor(plain)

    def _numbers(self, found: Any) -> Array:
        """Of a tensor, or of the slices that a lookup's gradient is."""
        dense = self._engine.ops.convert_to_tensor(found)
        return np.asarray(self._engine.math.cast(dense, self._engine.dtypes.float64).numpy())


def _engine() -> types.SimpleNamespace:
    """The parts of TensorFlow that derive; the first call takes the import's time, 3 s."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # For good: the kernels' own code asks for parts of the package while they run.
    saved_model.stand_in()
    load = importlib.import_module
    load("tensorflow.python.compat.v2_compat").enable_v2_behavior()
    load("tensorflow.python.ops.standard_ops")  # which registers the gradients of all kernels
    errors = load("tensorflow.python.framework.errors")
    return types.SimpleNamespace(
        backprop=load("tensorflow.python.eager.backprop"),
        dtypes=load("tensorflow.python.framework.dtypes"),
        errors=errors,
        graphs=load("tensorflow.python.saved_model.loader_impl"),
        invalid=(errors.InvalidArgumentError, errors.OutOfRangeError),
        loader=load("tensorflow.python.saved_model.load"),
        math=load("tensorflow.python.ops.math_ops"),
        ops=load("tensorflow.python.framework.ops"),
    )
