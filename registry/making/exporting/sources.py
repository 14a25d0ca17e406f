"""What a trainer holds in his hand, taken as something that can be written and asked.

Which framework an object is of is told by the modules of its classes: no framework is loaded to
find that out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from registry.core.tensors import Signature
from registry.making.exporting.forms import Form
from registry.making.exporting.report import Array, Arrays
from registry.making.refusals import NotConvertible


class Source(Protocol):
    """`forms` are those that it writes itself, the best first. `golden` is None without example.

    `title` is said of it in reports.
    """

    title: str
    forms: Sequence[Form]
    inputs: Signature
    golden: Arrays | None

    def write(self, form: Form, folder: Path) -> None:
        """Write the model's files into `folder`, an empty one."""

    def call(self, inputs: Arrays) -> list[Array]:
        """Its outputs, in the order in which the written model has them by `order`."""

    def order(self, names: Sequence[str]) -> list[str]:
        """The written model's outputs in the order of `call`."""


def of(model: object, example: object, *, batched: bool) -> Source:
    """Raises NotConvertible for what no framework that we know has made, InvalidInput."""
    made_by = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    if "keras" in made_by:
        from registry.making.exporting import keras_model  # noqa: PLC0415  heavy

        return keras_model.Keras(model, example, batched=batched)
    if "torch" in made_by:
        from registry.making.exporting import torch_model  # noqa: PLC0415  heavy

        return torch_model.of(model, example, batched=batched)
    if "sklearn" in made_by:
        from registry.making.exporting import sklearn_model  # noqa: PLC0415  heavy

        return sklearn_model.Sklearn(model, example, batched=batched)
    if "tensorflow" in made_by:
        from registry.making.exporting import tensorflow_model  # noqa: PLC0415  heavy

        return tensorflow_model.TensorFlow(model, example, batched=batched)
    raise NotConvertible(
        f"an object of {type(model).__module__}.{type(model).__qualname__} is no model of a "
        "framework that is known",
        fix="give a Keras model, a torch.nn.Module, a torch.export program, a TorchScript module, "
        "a tf.Module or a scikit-learn estimator",
    )
