"""Writes the TorchScript files beside it, with the real PyTorch (they were made with 2.13.0).

PyTorch is too large for our own tests, so what it wrote is kept. In a folder of its own:
    pip install torch==2.13.0 && python make_torchscript.py
"""

from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).parent


class Tokens(nn.Module):
    """Branches, loops, containers, an optional argument and a second method."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 4)
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.scales: dict[str, float] = {"a": 1.0, "b": 0.5}
        self.register_buffer("places", torch.arange(6))

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor | None = None):
        x = self.layers(self.embedding(tokens)) + self.places[: tokens.size(1), None]
        if lengths is not None:
            x = x.masked_fill((torch.arange(x.size(1)) >= lengths[:, None]).unsqueeze(-1), 0.0)
        taken: list[torch.Tensor] = []
        for place in range(x.size(1)):
            if place % 2 == 0:
                taken.append(x[:, place] * self.scales["a"])  # noqa: PERF401  a loop is wanted
        if len(taken) == 0:
            raise ValueError("no tokens: %d" % x.size(1))  # noqa: UP031  and this operator
        with torch.no_grad():
            mean = x.mean(dim=1)
        return torch.stack(taken, 1), mean

    @torch.jit.export
    def name(self, key: str) -> str:
        return key.strip().upper() + f" {self.scales[key]}"


class Image(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.out = nn.Linear(2, 3)

    def forward(self, image):
        x = torch.relu(self.norm(self.convolution(image)))
        return torch.softmax(self.out(x.mean(dim=(2, 3))), -1)


torch.manual_seed(0)
torch.jit.script(Tokens().eval()).save(HERE / "scripted.pt")
torch.jit.trace(Image().eval(), torch.zeros(1, 1, 8, 8)).save(HERE / "traced.pt")
quantised = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 3)), {nn.Linear})
torch.jit.script(quantised).save(HERE / "quantised.pt")
torch.save(nn.Linear(2, 2), HERE / "pickled_module.pt")
torch.save(nn.Linear(2, 2).state_dict(), HERE / "state_dict.pt")
