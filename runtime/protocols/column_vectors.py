"""Vectors for inputs that are declared as columns: [3] where the model says [-1, 1].

TensorFlow Serving checks no declared shape: `{"instances": [1.0, 2.0, 5.0]}`, the first request
in its documentation, is a vector for a model that declares a column, and a vector comes back.
"""

from collections.abc import Mapping, Sequence

from registry.core.tensors import Tensor
from runtime.backends.protocol import Array, Arrays

_COLUMN = (None, 1)


def are_given(inputs: Arrays, tensors: Sequence[Tensor]) -> bool:
    """Whether any input is a vector where a column is declared."""
    return any(tensor.shape == _COLUMN and inputs[tensor.name].ndim == 1 for tensor in tensors)


def widened(inputs: Arrays, tensors: Sequence[Tensor]) -> dict[str, Array]:
    """The vectors among them as columns."""
    return {
        tensor.name: inputs[tensor.name][:, None]
        if tensor.shape == _COLUMN and inputs[tensor.name].ndim == 1
        else inputs[tensor.name]
        for tensor in tensors
    }


def narrowed(outputs: Mapping[str, Array]) -> dict[str, Array]:
    """The columns among them as vectors."""
    return {
        name: value[:, 0] if value.ndim == 2 and value.shape[1] == 1 else value
        for name, value in outputs.items()
    }
