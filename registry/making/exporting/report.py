"""How far what was made is from what it was made of: numbers for each output, and a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.core.canonical import Json
from registry.core.tensors import Signature
from registry.making.exporting.forms import Form

Array = NDArray[Any]
Arrays = dict[str, Array]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A number holds where |made - original| <= absolute + relative * |original|, as numpy's
    `allclose` has it. Whole numbers, booleans and text must be equal."""

    absolute: float = 1e-4
    relative: float = 1e-3

    def document(self) -> dict[str, Json]:
        """JSON form."""
        return {"absolute": self.absolute, "relative": self.relative}


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one output over all samples. None where it has no meaning: text has no cosine.

    `largest_relative` is over values greater than the absolute tolerance: beside nothing, every
    difference is immense. `cosine` is of the two outputs as one vector each. `argmax` is the
    share of samples whose highest value stands at the same place; of labels, of those that are
    equal.
    """

    holds: bool
    largest: float | None
    largest_relative: float | None
    cosine: float | None
    argmax: float | None

    def document(self) -> dict[str, Json]:
        """JSON form; what has no meaning is left out."""
        found: dict[str, Json] = {
            "maxAbsolute": self.largest,
            "maxRelative": self.largest_relative,
            "cosine": self.cosine,
            "argmaxAgreement": self.argmax,
        }
        return {"holds": self.holds, **{k: v for k, v in found.items() if v is not None}}


@dataclass(frozen=True, slots=True)
class Report:
    """What was made, how, and the differences on golden and on seeded inputs, by output."""

    name: str
    source: str
    route: tuple[Form, ...]
    signature: Signature
    golden: Mapping[str, Difference]
    seeded: Mapping[str, Difference]
    tolerance: Tolerance
    samples: Mapping[str, int]
    seed: int
    folder: Path
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def form(self) -> Form:
        """What it was made into."""
        return self.route[-1]

    @property
    def holds(self) -> bool:
        """Whether every output is within the tolerance, on all inputs."""
        return all(one.holds for one in (*self.golden.values(), *self.seeded.values()))

    def document(self) -> dict[str, Json]:
        """JSON form, as `parity.json` has it."""
        parity: dict[str, Json] = {
            kind: {
                "samples": self.samples[kind],
                "outputs": {name: one.document() for name, one in found.items()},
            }
            for kind, found in (("golden", self.golden), ("seeded", self.seeded))
        }
        return {
            "name": self.name,
            "from": self.source,
            "to": str(self.form),
            "route": [str(one) for one in self.route],
            "libraries": dict(self.versions),
            "seed": self.seed,
            "tolerance": self.tolerance.document(),
            "holds": self.holds,
            "parity": parity,
            "tensors": self.signature.document(),
        }


def difference(original: Array, made: Array, tolerance: Tolerance) -> Difference:
    """Of one output, `[samples, ...]` both; another shape holds nothing.

    Where both are the same infinity, or no number, they agree.
    """
    if original.shape != made.shape:
        return Difference(False, None, None, None, None)
    if original.dtype.kind not in "fc" or made.dtype.kind not in "fc":
        return _of_labels(original, made)
    first, second = original.astype(np.float64), made.astype(np.float64)
    holds = bool(
        np.allclose(second, first, rtol=tolerance.relative, atol=tolerance.absolute, equal_nan=True)
    )
    both = np.isfinite(first) & np.isfinite(second)
    apart = np.abs(second[both] - first[both])
    if not apart.size:
        return Difference(holds, None, None, None, _same_highest(first, second))
    large = np.abs(first[both]) > tolerance.absolute
    relative = apart[large] / np.abs(first[both][large])
    return Difference(
        holds,
        _rounded(apart.max()),
        _rounded(relative.max()) if relative.size else None,
        _cosine(first[both], second[both]),
        _same_highest(first, second),
    )


def _of_labels(original: Array, made: Array) -> Difference:
    first, second = (_comparable(one) for one in (original, made))
    same = first == second
    share = float(np.mean(same)) if same.size else 1.0
    numeric = original.dtype.kind in "iub" and made.dtype.kind in "iub"
    apart = np.abs(original.astype(np.float64) - made.astype(np.float64)) if numeric else None
    largest = float(apart.max()) if apart is not None and apart.size else None
    return Difference(bool(same.all()), largest, None, None, share)


def _comparable(values: Array) -> Array:
    """Text as bytes in UTF-8, whatever kind of text it came as."""
    if values.dtype.kind not in "OSU":
        return values
    flat = [one if isinstance(one, bytes) else str(one).encode() for one in values.ravel()]
    return np.array(flat, dtype=object).reshape(values.shape)


def _cosine(first: Array, second: Array) -> float | None:
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return round(float(first @ second) / norms, 9) if norms else None


def _same_highest(first: Array, second: Array) -> float | None:
    if first.ndim < 2 or first.shape[-1] < 2 or not first.size:
        return None
    return float(np.mean(np.argmax(first, axis=-1) == np.argmax(second, axis=-1)))


def _rounded(value: float) -> float:
    return float(f"{float(value):.3g}")
