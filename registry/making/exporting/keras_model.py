"""A Keras 3 model on TensorFlow, written as a SavedModel whose outputs keep their layers' names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from registry import errors
from registry.core.tensors import Signature, Tensor
from registry.making.exporting import examples
from registry.making.exporting.forms import Form
from registry.making.exporting.report import Array, Arrays


class Keras:
    """See `sources.Source`. `example` is needed where the model was never built."""

    forms: Sequence[Form] = (Form.SAVED_MODEL,)

    def __init__(self, model: Any, example: object, *, batched: bool) -> None:
        if keras.backend.backend() != "tensorflow":
            raise errors.InvalidInput(
                f"Keras runs on {keras.backend.backend()} here; only TensorFlow writes SavedModels",
                fix="set KERAS_BACKEND=tensorflow before keras is imported, and load it again",
            )
        self.title = f"Keras {type(model).__name__}"
        self._model = model
        self.golden: Arrays | None = None
        taken = _inputs(model)
        if taken is None and example is None:
            raise errors.InvalidInput(
                "this model does not say what it takes: it was defined by a class",
                fix="give an example of its inputs",
            )
        if example is not None:
            names = [one.name for one in taken] if taken else _names(example)
            self.golden = examples.named(example, names)
        if taken is None:
            taken = [_tensor(name, one) for name, one in (self.golden or {}).items()]
        fixed = examples.rows(self.golden) if self.golden and not batched else 1
        first = None if batched else fixed
        self.inputs = Signature(
            tuple(Tensor(one.name, one.dtype, (first, *(one.shape or ())[1:])) for one in taken), ()
        )
        self._outputs = self._named_outputs()

    def write(self, form: Form, folder: Path) -> None:
        del form
        archive = keras.export.ExportArchive()
        archive.track(self._model)
        specs = [tf.TensorSpec(one.shape, one.dtype, name=one.name) for one in self.inputs.inputs]

        def serve(*given: Any) -> dict[str, Any]:
            return dict(zip(self._outputs, self._flat(list(given)), strict=True))

        archive.add_endpoint("serve", serve, input_signature=specs)
        archive.write_out(str(folder), verbose=False)

    def call(self, inputs: Arrays) -> list[Array]:
        return [np.asarray(one) for one in self._flat([*inputs.values()])]

    def order(self, names: Sequence[str]) -> list[str]:
        del names
        return list(self._outputs)

    def _flat(self, given: list[Any]) -> list[Any]:
        found = self._model(_packed(self._model, self.inputs, given), training=False)
        if isinstance(found, dict):
            return [found[name] for name in sorted(found)]
        return list(found) if isinstance(found, tuple | list) else [found]

    def _named_outputs(self) -> list[str]:
        """Of a model by layers those of its output layers; else keys, or output_0 and so on."""
        probe = self.golden or examples.seeded(self.inputs, None)
        found = self._model(_packed(self._model, self.inputs, [*probe.values()]), training=False)
        if isinstance(found, dict):
            return sorted(found)
        count = len(found) if isinstance(found, tuple | list) else 1
        layered = getattr(self._model, "_functional", None) or self._model
        names = list(getattr(layered, "output_names", None) or [])
        if len(names) != count or len(set(names)) != count:
            names = [f"output_{place}" for place in range(count)]
        return names


def _packed(model: Any, inputs: Signature, given: list[Any]) -> Any:
    """As the model's own call takes them: one, a list, or by name."""
    structure = getattr(model, "_inputs_struct", None)
    if isinstance(structure, dict):
        return {one.name: value for one, value in zip(inputs.inputs, given, strict=True)}
    return given[0] if len(given) == 1 else given


def _inputs(model: Any) -> list[Tensor] | None:
    try:
        taken = list(model.inputs or [])
    except (AttributeError, ValueError):
        return None
    structure = getattr(model, "_inputs_struct", None)
    names = sorted(structure) if isinstance(structure, dict) else [one.name for one in taken]
    if isinstance(structure, dict):
        taken = [structure[name] for name in names]
    return [
        Tensor(name, keras.backend.standardize_dtype(one.dtype), tuple(one.shape))
        for name, one in zip(names, taken, strict=True)
    ] or None


def _names(example: object) -> list[str]:
    if isinstance(example, dict):
        return [str(name) for name in example]
    count = len(example) if isinstance(example, tuple | list) else 1
    return ["inputs"] if count == 1 else [f"inputs_{place}" for place in range(count)]


def _tensor(name: str, value: Array) -> Tensor:
    return Tensor(name, value.dtype.name, (None, *value.shape[1:]))
