"""What an explanation says of a version as a whole: what it answers by, and pictures of that. Pure.

The predicate of an in-toto statement. It holds numbers alone, no pictures: whoever shows them
draws them, so nothing that a signer wrote is ever displayed as it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from registry.core import digest, fields
from registry.core.canonical import Json
from registry.errors import InvalidInput

TYPE = "https://plimsoll.dev/explanation/v1"
METHODS = ("permutation", "kernel_shap")
FIELDS = frozenset(
    {"method", "output", "unit", "seed", "samples", "finished", "data", "features", "pictures"}
)
MOST_FEATURES, MOST_CLASSES, MOST_CELLS = 1024, 32, 1024
_NAME, _SAFE = 128, 2**53
_WHAT = "explanation"


@dataclass(frozen=True, slots=True)
class Feature:
    """`value` is its importance, in the explanation's unit; `error` the standard error of that,
    None where nothing is known of it."""

    name: str
    value: float
    error: float | None


@dataclass(frozen=True, slots=True)
class Picture:
    """One class, row by row: `effect` is what each cell does to its score, `mean` how bright the
    samples of that class are there, from 0 to 1."""

    label: int
    samples: int
    effect: tuple[float, ...]
    mean: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Of the input `tensor`, `rows` by `columns` cells each."""

    tensor: str
    rows: int
    columns: int
    classes: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`features` has the most important ones first, of `count` in all; `data` is the digest of the
    samples' file. Where it is not `finished`, the time was over first."""

    method: str
    output: str
    unit: str
    seed: int
    samples: int
    finished: bool
    data: str
    count: int
    features: tuple[Feature, ...]
    pictures: Pictures | None


def predicate(said: Explanation) -> dict[str, Json]:
    """As statements carry it, without what the statement says of itself."""
    return {
        **without_pictures(said),
        "pictures": None if said.pictures is None else {
            "input": said.pictures.tensor,
            "rows": said.pictures.rows,
            "columns": said.pictures.columns,
            "classes": [
                {"class": one.label, "samples": one.samples, "effect": [*one.effect],
                 "mean": [*one.mean]}
                for one in said.pictures.classes
            ],
        },
    }  # fmt: skip


def without_pictures(said: Explanation) -> dict[str, Json]:
    """What policies see."""
    return {
        "method": said.method,
        "output": said.output,
        "unit": said.unit,
        "seed": said.seed,
        "samples": said.samples,
        "finished": said.finished,
        "data": said.data,
        "features": {
            "count": said.count,
            "first": [
                {"name": one.name, "value": one.value, "error": one.error} for one in said.features
            ],
        },
    }


def parse(source: dict[str, Json]) -> Explanation:
    """Read what `predicate` made; raises `InvalidInput` for anything beyond its bounds."""
    method = _name(source, "method")
    if method not in METHODS:
        raise InvalidInput(f"{_WHAT}: method {method!r} is not known", fix=", ".join(METHODS))
    features = fields.mapping(source, "features", what=_WHAT)
    first = fields.objects(features, "first", what=_WHAT)
    count = _whole(features, "count", _SAFE)
    if not 1 <= len(first) <= min(count, MOST_FEATURES):
        raise InvalidInput(f"{_WHAT}: {len(first)} features are listed, of {count}")
    finished, pictures = source.get("finished"), source.get("pictures")
    if not isinstance(finished, bool):
        raise InvalidInput(f"{_WHAT}: 'finished' must be true or false")
    return Explanation(
        method,
        _name(source, "output"),
        _name(source, "unit"),
        _whole(source, "seed", _SAFE),
        _whole(source, "samples", _SAFE),
        finished,
        digest.parse(source.get("data")),
        count,
        tuple(_feature(one) for one in first),
        None if pictures is None else _pictures(fields.mapping(source, "pictures", what=_WHAT)),
    )


def _feature(source: dict[str, Json]) -> Feature:
    error = source.get("error")
    return Feature(
        _name(source, "name"),
        _number(source.get("value"), "value"),
        None if error is None else _number(error, "error"),
    )


def _pictures(source: dict[str, Json]) -> Pictures:
    rows, columns = (_whole(source, name, MOST_CELLS) for name in ("rows", "columns"))
    classes = fields.objects(source, "classes", what=_WHAT)
    if not 1 <= rows * columns <= MOST_CELLS or not 1 <= len(classes) <= MOST_CLASSES:
        raise InvalidInput(
            f"{_WHAT}: {len(classes)} pictures of {rows} × {columns} cells",
            fix=f"at most {MOST_CLASSES} of {MOST_CELLS} cells each are shown",
        )
    return Pictures(
        _name(source, "input"), rows, columns,
        tuple(_picture(one, rows * columns) for one in classes),
    )  # fmt: skip


def _picture(source: dict[str, Json], cells: int) -> Picture:
    return Picture(
        _whole(source, "class", _SAFE),
        _whole(source, "samples", _SAFE),
        _cells(source, "effect", cells, (-float(_SAFE), float(_SAFE))),
        _cells(source, "mean", cells, (0.0, 1.0)),
    )


def _cells(
    source: dict[str, Json], name: str, count: int, bounds: tuple[float, float]
) -> tuple[float, ...]:
    found = tuple(_number(one, name) for one in fields.sequence(source, name, what=_WHAT))
    if len(found) != count or not all(bounds[0] <= one <= bounds[1] for one in found):
        raise InvalidInput(f"{_WHAT}: {name!r} must be {count} numbers within {bounds}")
    return found


def _name(source: dict[str, Json], name: str) -> str:
    found = fields.text(source, name, what=_WHAT)
    if not 1 <= len(found) <= _NAME or not found.isprintable():
        raise InvalidInput(f"{_WHAT}: {name!r} is empty, too long, or cannot be printed")
    return found


def _whole(source: dict[str, Json], name: str, most: int) -> int:
    found = fields.integer(source, name, what=_WHAT)
    if not 0 <= found <= most:
        raise InvalidInput(f"{_WHAT}: {name!r} is {found}, from 0 to {most} may be")
    return found


def _number(value: Json, name: str) -> float:
    found = fields.finite(value)
    if found is None:
        raise InvalidInput(f"{_WHAT}: {name!r} holds something that is no number")
    return found


def ordered(
    names: Sequence[str], values: Sequence[float], errors: Sequence[float]
) -> tuple[Feature, ...]:
    """The most important first, as many as fit; equal ones in their own order, and what was not
    come to (NaN) left out."""
    found = [
        Feature(name[:_NAME], short(value), None if math.isnan(error) else short(error))
        for name, value, error in zip(names, values, errors, strict=True)
        if not math.isnan(value)
    ]
    return tuple(sorted(found, key=lambda one: -one.value)[:MOST_FEATURES])


def short(value: float) -> float:
    """Four digits: more is the engine's rounding."""
    return float(f"{value:.4g}")
