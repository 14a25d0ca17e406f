"""The form of one call's inputs, prepared once: whether they fit, how many rows, who may mix."""

import logging
from collections.abc import Hashable

from registry.errors import InvalidInput
from runtime.backends import protocol
from runtime.backends.protocol import Array, Arrays, Call
from runtime.inference.asked import Asked
from runtime.inference.pace import Pace

_REFUSALS = 3
_log = logging.getLogger("plimsoll.runtime")


class Form:
    """One call of one version, and how long it usually takes."""

    __slots__ = ("_call", "_fixed", "_free", "_refusals", "batches", "pace")

    def __init__(self, call: Call, pace: Pace, *, is_batched: bool) -> None:
        self._call = call
        self.batches = is_batched and call.batches
        self.pace = pace
        self._refusals = 0
        tensors = call.signature.inputs
        # What is left of a shape behind a free first axis, where all of that is declared.
        self._fixed = tuple(
            (tensor.name, tensor.shape[1:])
            for tensor in tensors
            if tensor.shape and tensor.shape[0] is None and None not in tensor.shape[1:]
        )
        self._free = tuple(
            tensor.name
            for tensor in tensors
            if tensor.name not in {name for name, _ in self._fixed}
        )

    def require_fit(self, inputs: Arrays) -> None:
        """Raises `InvalidInput` unless the inputs are those declared, in their shapes."""
        try:
            for name, behind in self._fixed:
                shape = inputs[name].shape
                if not shape or shape[1:] != behind:
                    protocol.require_fit(self._call.signature, inputs)
            if self._free:
                protocol.require_fit(self._call.signature, inputs)
        except KeyError as error:
            raise InvalidInput(f"input {error.args[0]!r} is missing") from error

    def rows(self, inputs: Arrays) -> int:
        """How many rows can be stacked with those of others; 0 where this one must go alone."""
        if not self.batches:
            return 0
        found = -1
        for array in inputs.values():
            count = array.shape[0] if array.ndim else 0
            if found not in (-1, count):
                return 0
            found = count
        return max(found, 0)

    def stack_refused(self) -> None:
        """A batch failed though every member was good: after a few the call is not batched."""
        self._refusals += 1
        if self._refusals == _REFUSALS:
            self.batches = False
            _log.warning(
                "not batched: its rows cannot be stacked", extra={"call": self._call.method}
            )

    def key(self, asked: Asked) -> Hashable:
        """Equal for requests that may share a batch; only for those with rows."""
        if self._free:
            inputs = asked.inputs
            return asked.call, asked.outputs, tuple(inputs[name].shape[1:] for name in self._free)
        return asked.call, asked.outputs


def size(inputs: Arrays) -> int:
    """Bytes, which is what an engine's time goes with."""
    if len(inputs) == 1:
        (only,) = inputs.values()
        return only.nbytes
    return sum(array.nbytes for array in inputs.values())


def chosen(outputs: dict[str, Array], names: tuple[str, ...]) -> dict[str, Array]:
    """Those outputs that were asked for; raises `InvalidInput` for one that there is not."""
    if not names:
        return outputs
    try:
        return {name: outputs[name] for name in names}
    except KeyError as error:
        raise InvalidInput(f"the model has no output {error.args[0]!r}") from error
