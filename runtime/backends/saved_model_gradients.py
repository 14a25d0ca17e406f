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
from runtime.backends import gradient_calls, saved_model, saved_model_maps
from runtime.backends.bfloat16 import BFLOAT16
from runtime.backends.gradient_calls import GRADIENT, LAYER, MAPS, SCORE, SLOPES, TARGET
from runtime.backends.protocol import Array, Arrays, Call, objects
from runtime.backends.saved_model_maps import Tapped


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
        self._tapped: dict[tuple[str, str, bytes], Tapped] = {}
        self.calls = gradient_calls.offered(self._calls)

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """See `Backend.run`."""
        called, output, is_of_maps = gradient_calls.parts(call)
        given = {
            name: self._tensor(value)
            for name, value in inputs.items()
            if name not in gradient_calls.CONTROLS
        }
        try:
            if is_of_maps:
                return self._maps(called, output, given, inputs)
            return self._gradients(called, output, given, inputs[TARGET])
        except self._engine.invalid as error:
            raise InvalidInput(error.message) from error

    def _gradients(
        self, called: str, output: str, given: dict[str, Any], targets: Array
    ) -> dict[str, Array]:
        floating = gradient_calls.floating(self._calls[called])
        with self._engine.backprop.GradientTape() as tape:
            tape.watch([given[name] for name in floating])
            found = self._model.signatures[called](**given)[output]
        mask = gradient_calls.chosen(tuple(found.shape), targets)
        at_target = self._engine.math.cast(mask, found.dtype)
        gradients = tape.gradient(
            found, [given[name] for name in floating], output_gradients=at_target
        )
        if all(one is None for one in gradients):
            raise gradient_calls.no_gradient(output)
        by_name = zip(floating, gradients, strict=True)
        return {SCORE: self._score(found, mask)} | {
            GRADIENT + name: np.zeros(given[name].shape) if one is None else self._numbers(one)
            for name, one in by_name
        }

    def _maps(
        self, called: str, output: str, given: dict[str, Any], inputs: Arrays
    ) -> dict[str, Array]:
        signature, key = self._model.signatures[called], (called, output, bytes(inputs[LAYER][0]))
        if key not in self._tapped:
            layer = key[2].decode()
            made = saved_model_maps.tapped(self._engine, signature, output, layer)
            self._tapped = {key: made}
        tapped, rows = self._tapped[key], len(inputs[TARGET])
        # How an output is shaped is known once it is there, and the mask is of its shape.
        shape = tuple(signature(**given)[output].shape)
        dtype = signature.structured_outputs[output].dtype
        mask = gradient_calls.chosen(shape, inputs[TARGET])
        at_target = self._engine.math.cast(mask, dtype)
        found, maps, slopes = tapped.run(*(given[name] for name in tapped.names), at_target)
        if maps.shape[0] != rows:
            raise InvalidInput(f"the layer {tapped.layer!r} has no maps of each row")
        return {
            SCORE: self._score(found, mask),
            LAYER: objects([tapped.layer.encode()], (1,)),
            MAPS: np.moveaxis(self._numbers(maps), 3, 1),
            SLOPES: np.moveaxis(self._numbers(slopes), 3, 1),
        }

    def close(self) -> None:
        """See `Backend.close`."""
        del self._model

    def _tensor(self, value: Array) -> Any:
        is_bits = value.dtype == BFLOAT16
        plain = value.view(self._engine.dtypes.bfloat16.as_numpy_dtype) if is_bits else value
        return self._engine.ops.convert_to_tensor(plain)

    def _score(self, found: Any, mask: Array) -> Array:
        return np.asarray((self._numbers(found) * mask).reshape(len(mask), -1).sum(axis=1))

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
        arrays=load("tensorflow.python.ops.array_ops"),
        backprop=load("tensorflow.python.eager.backprop"),
        dtypes=load("tensorflow.python.framework.dtypes"),
        errors=errors,
        func_graph=load("tensorflow.python.framework.func_graph"),
        functions=load("tensorflow.python.eager.polymorphic_function.concrete_function"),
        gradients=load("tensorflow.python.ops.gradients_impl"),
        graphs=load("tensorflow.python.saved_model.loader_impl"),
        invalid=(errors.InvalidArgumentError, errors.OutOfRangeError),
        loader=load("tensorflow.python.saved_model.load"),
        math=load("tensorflow.python.ops.math_ops"),
        ops=load("tensorflow.python.framework.ops"),
    )
