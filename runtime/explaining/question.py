"""What a client may say about the explanation that it wants, read strictly.

Every bound is here, so that what one request can cost is known before any of it is done.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from registry.core.explaining.integrated_gradients import MOST_STEPS
from registry.core.explaining.surrogate import KINDS
from registry.errors import InvalidInput

# Those that only ask, and those that need the score's gradient.
ASKING = ("kernel_shap", "lime", "occlusion", "permutation", "surrogate")
DERIVING = ("integrated_gradients", "smooth_grad", "grad_cam")
METHODS = (*ASKING, *DERIVING)
MOST_INSTANCES = 256
MOST_SAMPLES = 65_536
MOST_BACKGROUND = 128
# Numbers that a regression's matrix has on a side; and features that can be taken away one by one.
MOST_FITTED, MOST_FEATURES = 256, 16_384
# Cells of the table of rows and features that one explanation may keep.
MOST_CELLS = 1 << 24
MOST_REPEATS = 100
DEFAULT_BUDGET_MS = 5_000
# Of the range of the instance's numbers: Smilkov et al. found 0.1 to 0.2 to balance best.
DEFAULT_NOISE = 0.15
# A tree of eight leaves is read at a glance, one of hundreds by nobody.
DEFAULT_DEPTH, MOST_DEPTH = 3, 6
# Outputs that a surrogate has at once.
MOST_OUTPUTS = 32
DEFAULT_SAMPLES = 2_048
# Of methods that need fewer, and may have no more.
_SAMPLES = {"integrated_gradients": (64, MOST_STEPS), "smooth_grad": (64, 4_096),
            "surrogate": (1_024, 4_096)}  # fmt: skip
# Elements of an instance by which there is a gradient: a picture of a thousand by a thousand, less.
MOST_DERIVED = 1 << 19

_FIELDS = {
    "method", "output", "target", "seed", "samples", "repeats", "budget_ms", "baseline",
    "feature_mask", "labels", "noise", "layer",
    "surrogate", "depth",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """The parameters as they were given, each of its type and within its bound.

    `output` is empty for the model's scores, `target` None for each instance's best class.
    `baseline` is JSON still: rows as `instances` has them, None for zeros and empty strings.
    """

    method: str = "kernel_shap"
    output: str = ""
    target: int | None = None
    seed: int = 0
    samples: int = DEFAULT_SAMPLES
    repeats: int = 5
    budget_ms: int = DEFAULT_BUDGET_MS
    baseline: Any = None
    feature_mask: tuple[int, ...] = ()
    labels: tuple[float, ...] = ()
    noise: float = DEFAULT_NOISE
    layer: str = ""
    surrogate: str = KINDS[0]
    depth: int = DEFAULT_DEPTH


def read(given: object, *, longest_ms: int) -> Wish:
    """`parameters` of a request; raises `InvalidInput`, naming the parameter."""
    if given is None:
        return Wish(budget_ms=min(DEFAULT_BUDGET_MS, longest_ms))
    if not isinstance(given, dict):
        raise InvalidInput("'parameters' is not an object")
    for name in given:
        if name not in _FIELDS:
            raise InvalidInput(
                f"there is no parameter {str(name)[:80]!r}",
                fix=f"known are {', '.join(sorted(_FIELDS))}",
            )
    method = _one_of(given, "method", METHODS)
    samples, most = _SAMPLES.get(method, (DEFAULT_SAMPLES, MOST_SAMPLES))
    return Wish(
        method,
        _text(given, "output"),
        _whole(given, "target", (0, 2**31 - 1), None),
        _whole(given, "seed", (0, 2**63 - 1), 0) or 0,
        _whole(given, "samples", (2, most), samples) or 0,
        _whole(given, "repeats", (1, MOST_REPEATS), 5) or 0,
        _whole(given, "budget_ms", (1, longest_ms), min(DEFAULT_BUDGET_MS, longest_ms)) or 0,
        given.get("baseline"),
        _numbers(given, "feature_mask", int),
        _numbers(given, "labels", float),
        _noise(given),
        _text(given, "layer"),
        _one_of(given, "surrogate", KINDS),
        _whole(given, "depth", (1, MOST_DEPTH), DEFAULT_DEPTH) or 0,
    )


def _one_of(given: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    found = _text(given, name) or known[0]
    if found not in known:
        raise InvalidInput(
            f"parameter '{name}' is {found[:80]!r}", fix=f"use one of {', '.join(known)}"
        )
    return found


def _noise(given: Mapping[str, Any]) -> float:
    found = given.get("noise", DEFAULT_NOISE)
    if type(found) not in {int, float} or not 0 <= found <= 1:
        raise InvalidInput("parameter 'noise' must be a number from 0 to 1")
    return float(found)


def _text(given: Mapping[str, Any], name: str) -> str:
    found = given.get(name, "")
    if not isinstance(found, str):
        raise InvalidInput(f"parameter '{name}' is not a string")
    return found


def _whole(
    given: Mapping[str, Any], name: str, bounds: tuple[int, int], default: int | None
) -> int | None:
    found = given.get(name)
    if found is None:
        return default
    least, most = bounds
    if type(found) is not int or not least <= found <= most:
        raise InvalidInput(f"parameter '{name}' must be a whole number from {least} to {most}")
    return found


def _numbers(given: Mapping[str, Any], name: str, kind: Callable[[Any], Any]) -> tuple[Any, ...]:
    """A list of numbers, nested or flat: the order of what is nested is row-major."""
    found = given.get(name)
    if found is None:
        return ()
    flat = _flat(found, name)
    for one in flat:
        if type(one) not in {int, kind} or not math.isfinite(one) or abs(one) >= 2**53:
            raise InvalidInput(
                f"parameter '{name}' has {str(one)[:40]!r}, which is no "
                + ("whole number" if kind is int else "number")
            )
    return tuple(kind(one) for one in flat)


def _flat(found: object, name: str) -> list[Any]:
    if not isinstance(found, list):
        raise InvalidInput(f"parameter '{name}' is not a list")
    level: list[Any] = found
    for _ in range(8):
        if not any(isinstance(one, list) for one in level):
            return level
        if not all(isinstance(one, list) for one in level):
            break
        level = [leaf for one in level for leaf in one]
    raise InvalidInput(f"the lists of parameter '{name}' are nested unevenly, or too deeply")
