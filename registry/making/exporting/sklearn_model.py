"""A scikit-learn estimator or pipeline, written as ONNX by skl2onnx.

Features are float32 in the file, whatever the estimator was trained on: that is what clients
send, and the report tells what it costs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from registry import errors
from registry.core.tensors import Signature, Tensor
from registry.making.exporting import examples, running
from registry.making.exporting.forms import Form
from registry.making.exporting.report import Array, Arrays
from registry.making.refusals import NotConvertible

NAME = "features"


class Sklearn:
    """See `sources.Source`. Without an example it is taken to have numbers alone for features."""

    forms: Sequence[Form] = (Form.ONNX,)

    def __init__(self, model: Any, example: object, *, batched: bool) -> None:
        self.title = f"scikit-learn {type(model).__name__}"
        self._model = model
        self.golden: Arrays | None = None
        dtype, width = "float32", getattr(model, "n_features_in_", None)
        if example is not None:
            found = examples.named(example, [NAME])[NAME]
            self._exact = found
            found = found.astype(object if found.dtype.kind in "OSU" else np.float32)
            dtype, width = "string" if found.dtype.kind == "O" else "float32", found.shape[-1]
            self.golden = {NAME: found}
        if width is None:
            raise errors.InvalidInput(
                "this estimator does not say how many features it takes",
                fix="give an example, or fit it first",
            )
        rows = None if batched else examples.rows(self.golden) if self.golden else examples.ROWS
        self.inputs = Signature((Tensor(NAME, dtype, (rows, int(width))),), ())

    def write(self, form: Form, folder: Path) -> None:
        del form
        made = running.library("skl2onnx", "export")
        (taken,) = self.inputs.inputs
        kind = made.common.data_types.StringTensorType if taken.dtype == "string" else (
            made.common.data_types.FloatTensorType
        )  # fmt: skip
        options = {id(self._model): {"zipmap": False}} if self._classifies else None
        try:
            model = made.to_onnx(
                self._model,
                initial_types=[(NAME, kind(list(taken.shape or ())))],
                options=options,
            )
        except (RuntimeError, NotImplementedError, NameError, ValueError) as error:
            raise NotConvertible(
                f"{self.title} cannot be written as ONNX: {str(error).splitlines()[0][:300]}",
                fix="see the estimators that skl2onnx supports, or leave the step out of the "
                "pipeline and do it before the model is asked",
            ) from error
        (folder / "model.onnx").write_bytes(model.SerializeToString())

    def call(self, inputs: Arrays) -> list[Array]:
        # The golden answers are those to the example as it was given, in all its precision.
        features = self._exact if inputs is self.golden else inputs[NAME]
        if self._classifies:
            found = [np.asarray(self._model.predict(features))]
            if hasattr(self._model, "predict_proba"):
                found.append(np.asarray(self._model.predict_proba(features), np.float32))
            else:
                found.append(np.asarray(self._model.decision_function(features), np.float32))
            return found
        if hasattr(self._model, "predict"):
            given = np.asarray(self._model.predict(features))
            # One target is a column in ONNX.
            column = given.reshape(-1, 1) if given.ndim == 1 else given
            return [column.astype(np.float32) if column.dtype.kind == "f" else column]
        return [np.asarray(self._model.transform(features), np.float32)]

    def order(self, names: Sequence[str]) -> list[str]:
        return list(names)[: 2 if self._classifies else 1]

    @property
    def _classifies(self) -> bool:
        return hasattr(self._model, "classes_") and hasattr(self._model, "predict")
