"""One network as a TorchScript program, for what needs gradients; its weights are drawn."""

from pathlib import Path

from bench import networks
from registry.core import canonical
from registry.core.tensors import Signature, Tensor

_WIDE = 256


def perceptron(target: Path) -> Path:
    """The folder `target` with a program of two layers over a picture, and what it takes."""
    import torch  # noqa: PLC0415  seconds, for one area

    torch.manual_seed(7)
    layers = torch.nn.Sequential(
        torch.nn.Linear(networks.PIXELS, _WIDE), torch.nn.ReLU(),
        torch.nn.Linear(_WIDE, 10), torch.nn.Softmax(-1),
    )  # fmt: skip
    target.mkdir()
    # Scripted, the argument of `Sequential` is called `input`.
    torch.jit.script(layers.eval()).save(str(target / "model.pt"))
    said = Signature(
        (Tensor("input", "float32", (None, networks.PIXELS)),),
        (Tensor(networks.OUTPUT, "float32", (None, 10)),),
    )
    (target / "tensors.json").write_bytes(canonical.encode(said.document()))
    return target
