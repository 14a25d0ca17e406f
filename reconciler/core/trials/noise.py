"""Noise of a named strength on rows between 0 and 1: the same for the same generator. Pure."""

import numpy as np

from reconciler.core.kinds.trials import Noise
from reconciler.core.trials.arrays import Array


def noisy(rows: Array, spec: Noise, draw: np.random.Generator) -> Array:
    """`rows` with the noise of `spec`, within 0 and 1."""
    match spec.kind:
        case "gaussian":
            return np.clip(rows + draw.normal(0.0, spec.strength, rows.shape), 0.0, 1.0)
        case "saltAndPepper":
            is_hit = draw.random(rows.shape) < spec.strength
            extreme = draw.integers(0, 2, rows.shape).astype(np.float64)
            return np.where(is_hit, extreme, rows)


def title(spec: Noise) -> str:
    """Such as "gaussian noise of strength 0.1"."""
    kind = "gaussian" if spec.kind == "gaussian" else "salt-and-pepper"
    return f"{kind} noise of strength {spec.strength:g}"
