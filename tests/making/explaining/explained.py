"""A real explanation in a moment: handwritten digits, and a linear classifier fitted to them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

from registry.core.explaining.terms import Array
from registry.core.explanation import Explanation
from registry.core.tensors import Signature, Tensor
from registry.making.explaining import job
from registry.making.explaining.asking import Asked
from registry.making.optimising.samples import Samples

SIGNATURE = Signature(
    (Tensor("images", "float32", (None, 8, 8, 1)),), (Tensor("scores", "float32", (None, 10)),)
)


@dataclass(frozen=True)
class Linear:
    """Scores by one matrix; `asked` counts rows."""

    weights: Array
    pause: float = 0.0
    signature: Signature = SIGNATURE

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        time.sleep(self.pause)
        flat = inputs["images"].reshape(len(inputs["images"]), -1)
        given = np.column_stack([flat, np.ones(len(flat))])
        return {"scores": (given @ self.weights).astype(np.float32)}


def digits(count: int = 300) -> tuple[Linear, Samples]:
    """A classifier that is right nine times in ten, and samples that it was not fitted to."""
    images, labels = load_digits(return_X_y=True)
    given = np.column_stack([images[count:], np.ones(len(images) - count)])
    wanted = np.eye(10)[labels[count:]]
    weights = np.linalg.solve(given.T @ given + np.eye(65), given.T @ wanted)
    rows = images[:count].reshape(-1, 8, 8, 1).astype(np.float32)
    return Linear(weights), Samples({"images": rows}, labels[:count].astype(np.int64))


def explained(
    model: Linear, given: Samples, *, method: str = "permutation", seed: int = 0,
    budget: float = 600.0,
) -> Explanation:  # fmt: skip
    request = {
        "method": method, "seed": seed, "budget": budget, "picture": None, "names": [],
        "digest": "sha256:" + "d" * 64,
    }  # fmt: skip
    return job.explained(Asked(model, "scores"), given, request)
