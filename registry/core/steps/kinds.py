"""The kinds of step, and what each takes, gives and needs.

Every step works on rows: the first axis is the batch's, and no row has a part in another's.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class DecodeImage:
    """JPEG or PNG files to uint8 pixels. `resize` is (height, width), or the shorter side alone;
    `crop` is (height, width) of the middle. `size` is that of what comes out."""

    input: str
    output: str
    mode: str
    layout: str
    size: tuple[int, int]
    resize: int | tuple[int, int] | None
    crop: tuple[int, int] | None
    resample: str
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Tokenise:
    """Texts to ids, cut at `length`; padded to it, or where `padding` is "longest" to the longest
    of those that run together. `mask` and `types` are empty where nobody wants them."""

    input: str
    ids: str
    mask: str
    types: str
    file: str
    length: int
    padding: str
    dtype: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Normalise:
    """(x * scale - mean) / std; `mean` and `std` are one number, or one for each along `axis`."""

    input: str
    output: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    axis: int
    dtype: str


@dataclass(frozen=True, slots=True)
class Softmax:
    """Over the last axis."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class ArgMax:
    """The position of the largest on the last axis."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class TopK:
    """The `k` largest of the last axis, largest first, and where they stood."""

    input: str
    values: str
    indices: str
    k: int


@dataclass(frozen=True, slots=True)
class Labels:
    """Positions to the lines of a file, the first of which is 0."""

    input: str
    output: str
    file: str


Step: TypeAlias = DecodeImage | Tokenise | Normalise | Softmax | ArgMax | TopK | Labels


def gives(step: Step) -> tuple[str, ...]:
    """The names that the step adds."""
    match step:
        case Tokenise():
            return tuple(filter(None, (step.ids, step.mask, step.types)))
        case TopK():
            return (step.values, step.indices)
        case DecodeImage() | Normalise() | Softmax() | ArgMax() | Labels():
            return (step.output,)


def file_of(step: Step) -> str:
    """The file of the version that it reads; empty where there is none."""
    match step:
        case Tokenise() | Labels():
            return step.file
        case DecodeImage() | Normalise() | Softmax() | ArgMax() | TopK():
            return ""


def is_exposed(step: Step) -> bool:
    """Whether a library that parses whatever clients send is at work in it."""
    return isinstance(step, DecodeImage | Tokenise)
