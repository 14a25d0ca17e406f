"""A tf.Module whose `__call__` is a tf.function, written as a SavedModel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from registry import errors
from registry.core.tensors import Signature, Tensor
from registry.making.exporting import examples
from registry.making.exporting.forms import Form
from registry.making.exporting.report import Array, Arrays
from registry.making.refusals import NotConvertible


class TensorFlow:
    """See `sources.Source`; the example says what it takes, by the names of its arguments."""

    forms: Sequence[Form] = (Form.SAVED_MODEL,)

    def __init__(self, model: Any, example: object, *, batched: bool) -> None:
        called: Any = getattr(model, "__call__", None)  # noqa: B004  a tf.function has more to tell
        if not isinstance(model, tf.Module) or not hasattr(called, "get_concrete_function"):
            raise NotConvertible(
                f"a {type(model).__qualname__} of TensorFlow is no module that can be called",
                fix="give a tf.Module whose __call__ is a tf.function",
            )
        if example is None:
            raise errors.InvalidInput(
                "a tf.Module does not say what it takes", fix="give an example of the inputs"
            )
        self.title = f"TensorFlow {type(model).__name__}"
        self._model = model
        names = [name for name in called.function_spec.arg_names if name != "self"]
        given = len(example) if isinstance(example, dict | tuple | list) else 1
        self.golden: Arrays | None = examples.named(example, names[:given])
        first = None if batched else examples.rows(self.golden)
        self.inputs = Signature(
            tuple(
                Tensor(name, value.dtype.name, (first, *value.shape[1:]))
                for name, value in self.golden.items()
            ),
            (),
        )
        self._keys = self._flat(list(self.golden.values()))[0]

    def write(self, form: Form, folder: Path) -> None:
        del form
        specs = [tf.TensorSpec(one.shape, one.dtype, name=one.name) for one in self.inputs.inputs]

        def serve(*given: Any) -> dict[str, Any]:
            return dict(zip(*self._flat(list(given)), strict=True))

        function = tf.function(serve, input_signature=specs, autograph=False)
        tf.saved_model.save(self._model, str(folder), signatures={"serving_default": function})

    def call(self, inputs: Arrays) -> list[Array]:
        given = [tf.constant(one) for one in inputs.values()]
        return [np.asarray(one) for one in self._flat(given)[1]]

    def order(self, names: Sequence[str]) -> list[str]:
        del names
        return list(self._keys)

    def _flat(self, given: list[Any]) -> tuple[list[str], list[Any]]:
        found = self._model(*given)
        if isinstance(found, dict):
            return sorted(found), [found[name] for name in sorted(found)]
        values = list(found) if isinstance(found, tuple | list) else [found]
        return [f"output_{at}" for at in range(len(values))], values
