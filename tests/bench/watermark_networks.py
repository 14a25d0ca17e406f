"""Random weights in the shapes of the three networks: nothing is trained in tests."""

import numpy as np

from bench.watermark import tasks
from bench.watermark.trained import Weights

RANDOM = np.random.default_rng(1)
PICTURES = RANDOM.random((64, 64)).astype(np.float32)
TEXTS = RANDOM.integers(0, 50, (64, tasks.LENGTH)).astype(np.int32)


def dense(layer: str, size: int, width: int) -> Weights:
    kernel = RANDOM.normal(0, size**-0.5, (size, width)).astype(np.float32)
    return {f"{layer}/kernel": kernel, f"{layer}/bias": RANDOM.random(width).astype(np.float32)}


def norm(layer: str, width: int, parts: tuple[str, ...]) -> Weights:
    return {f"{layer}/{part}": RANDOM.uniform(0.5, 2, width).astype(np.float32) for part in parts}


def perceptron() -> Weights:
    return {
        **dense("hidden_1", 64, 1024),
        **dense("hidden_2", 1024, 512),
        **dense("logits", 512, 10),
    }


def convolutions() -> Weights:
    weights: Weights = {}
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    for number, (size, width) in enumerate(((1, 32), (32, 64), (64, 128)), start=1):
        kernel = RANDOM.normal(0, (9 * size) ** -0.5, (3, 3, size, width)).astype(np.float32)
        weights |= {f"conv_{number}/kernel": kernel, **norm(f"norm_{number}", width, parts)}
    return {**weights, **dense("hidden", 2048, 64), **dense("logits", 64, 10)}


def encoder() -> Weights:
    weights = {**dense("logits", 128, 10), **norm("norm", 128, ("gamma", "beta"))}
    for name, size in (("words", 50), ("places", tasks.LENGTH)):
        weights[f"{name}/embeddings"] = RANDOM.normal(0, 1, (size, 128)).astype(np.float32)
    for block in ("block_1", "block_2"):
        for part in ("query", "key", "value", "out"):
            weights |= dense(f"{block}_{part}", 128, 128)
        weights |= {**dense(f"{block}_up", 128, 512), **dense(f"{block}_down", 512, 128)}
        for number in (1, 2):
            weights |= norm(f"{block}_norm_{number}", 128, ("gamma", "beta"))
    return weights


NETWORKS = {"MLP": perceptron(), "CNN": convolutions(), "transformer": encoder()}
INPUTS = {"MLP": PICTURES, "CNN": PICTURES, "transformer": TEXTS}
