"""wm/v1: what it marks. Every weight w becomes w * (1 + alpha * c), c its chip, +1 or -1."""

from dataclasses import dataclass

SCHEME = "wm/v1"
# The recipient whose copy is the one that the registry keeps and shows.
OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Tensor:
    """`dtype` is float16, bfloat16, float32 or float64; elements count in C order of `shape`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
