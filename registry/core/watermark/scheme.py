"""wm/v1: what it marks. Every weight w becomes w * (1 + alpha * c), c its chip, +1 or -1."""

import math
from dataclasses import dataclass

SCHEME = "wm/v1"
# The recipient whose copy is the one that the registry keeps and shows.
OWNER = "owner"
# What all chips of a copy in N weights add up to, blind: z = FOUND * alpha * sqrt(N). Between
# uniformly (1.73) and normally (1.32) distributed weights. Of it the owner's pattern alone has
# 0.63, a recipient's own draw 0.78.
FOUND = 1.38
# Weaker than that, no mark is claimed; from there on it is found with the original at hand.
LEAST_Z = 8.0
_WANTED_Z = 12.0
_WEAKEST, _STRONGEST = 0.005, 0.05


@dataclass(frozen=True, slots=True)
class Tensor:
    """`dtype` is float16, bfloat16, float32 or float64; elements count in C order of `shape`."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Strength:
    """How far a weight is moved, as a share of itself, and what its copy's chips add up to."""

    alpha: float
    predicted_z: float


@dataclass(frozen=True, slots=True)
class TooSmall:
    """So few weights that the chips of the strongest mark add up to `predicted_z` only."""

    weights: int
    predicted_z: float


def strength(weights: int) -> Strength | TooSmall:
    """As strong as `weights` of them need; no mark where it would hardly be found."""
    root = math.sqrt(max(weights, 1))
    alpha = min(max(_WANTED_Z / (FOUND * root), _WEAKEST), _STRONGEST)
    predicted = FOUND * alpha * root if weights > 0 else 0.0
    if predicted < LEAST_Z:
        return TooSmall(weights, predicted)
    return Strength(alpha, predicted)
