"""Whether onnxruntime answers as the network did that learnt: else what learnt is not the file."""

from pathlib import Path

import numpy as np

from registry.errors import Unsupported
from registry.making.optimising import asking
from registry.making.optimising.learning import training
from registry.making.optimising.learning.networks import Network
from registry.making.optimising.learning.training import Answer
from registry.making.optimising.samples import Samples

_ALIKE = 1e-3
_TRIED = 64


def require(network: Network, written: Path, given: Samples, answer: Answer) -> None:
    """On the first samples; raises Unsupported."""
    few = Samples({name: rows[:_TRIED] for name, rows in given.inputs.items()}, None)
    was = training.asked(network, few, answer.name, most=_TRIED)
    now = asking.load(written, answer.name).scores(few, _TRIED)
    if was.shape != now.shape or not np.allclose(was, now, rtol=_ALIKE, atol=_ALIKE):
        raise Unsupported(
            "onnxruntime answers otherwise than the network that has learnt",
            fix="report this with the model: an operator is not as ONNX has it",
        )
