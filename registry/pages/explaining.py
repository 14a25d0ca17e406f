"""What a version answers by, as its page shows it: bars for features, cells for pictures.

Pictures are SVG of squares in few shades, drawn from the numbers that were signed; colours are the
style sheet's, so they follow the reader's theme. Each says in words what is to be seen in it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.core import canonical, dsse, explanation, fields
from registry.core.explanation import Explanation, Feature, Picture, Pictures
from registry.db.tables_evidence import Evidence
from registry.pages import views
from registry.pages.views import Moment
from registry.pages.wording import phrase

_SHADES = 8
_SHOWN = 12
_METHODS = {
    "permutation": phrase("permutation importance"),
    "kernel_shap": phrase("Shapley values (KernelSHAP)"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """`said` is what was signed, by whom and when; `listed` are the features that are shown."""

    said: Explanation
    method: str
    by: str
    at: Moment
    digest: str
    log_index: int
    listed: tuple[Feature, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """Of a line that is 100 wide."""

    width: float


@dataclass(frozen=True, slots=True)
class Cells:
    """Squares of one shade, as the path of an SVG; `shade` is the class that colours them."""

    shade: str
    path: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """One class: what its samples look like, and beside it what speaks for it and against it."""

    label: int
    samples: int
    words: str
    cells: tuple[Cells, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of it that is only drawn; `width` and `height` are those of each picture, in cells."""

    bars: tuple[Bar, ...]
    width: int
    height: int
    pictures: tuple[Drawn, ...]


def shown(row: Evidence | None, now: datetime) -> Shown | None:
    """None where there is none, or where it was erased."""
    if row is None or not row.bundle:
        return None
    bundle = canonical.decode_object(row.bundle, what="stored evidence")
    statement = canonical.decode_object(dsse.unverified_payload(bundle), what="stored evidence")
    said = explanation.parse(fields.mapping(statement, "predicate", what="stored evidence"))
    return Shown(
        said, _METHODS[said.method], row.signer, views.moment(row.created_at, now), row.digest,
        row.log_index, said.features[:_SHOWN],
    )  # fmt: skip


def draw(found: Shown | None) -> Drawing | None:
    """What the template draws of it."""
    if found is None:
        return None
    most = max((one.value for one in found.listed), default=0.0)
    bars = tuple(
        Bar(round(100 * max(one.value, 0.0) / most, 1) if most > 0 else 0.0) for one in found.listed
    )
    pictures = found.said.pictures
    if pictures is None:
        return Drawing(bars, 0, 0, ())
    return Drawing(
        bars,
        2 * pictures.columns + 1,
        pictures.rows,
        tuple(_drawn(one, pictures) for one in pictures.classes),
    )


def _drawn(one: Picture, pictures: Pictures) -> Drawn:
    most = max((abs(value) for value in one.effect), default=0.0) or 1.0
    effect = [value / most for value in one.effect]
    cells = [
        *_shaded("ink", one.mean, pictures.columns, 0),
        *_shaded("for", effect, pictures.columns, pictures.columns + 1),
        *_shaded("against", [-value for value in effect], pictures.columns, pictures.columns + 1),
    ]
    return Drawn(one.label, one.samples, _words(one, pictures.columns), tuple(cells))


def _shaded(tone: str, values: Sequence[float], columns: int, start: int) -> list[Cells]:
    """One path a shade; what is nearly nothing is left out."""
    by_shade: dict[int, list[str]] = defaultdict(list)
    for place, value in enumerate(values):
        shade = round(min(value, 1.0) * _SHADES)
        if shade > 0:
            row, column = divmod(place, columns)
            by_shade[shade].append(f"M{column + start} {row}h1v1h-1z")
    return [
        Cells(f"{tone} s{shade}", "".join(squares)) for shade, squares in sorted(by_shade.items())
    ]


def _words(one: Picture, columns: int) -> str:
    """For who cannot see it: where the strongest cells are, counted from 1."""
    places = sorted(range(len(one.effect)), key=lambda place: one.effect[place])

    def at(place: int) -> dict[str, int]:
        return {"row": place // columns + 1, "column": place % columns + 1}

    said: str = phrase("Class %(label)d", label=one.label)
    if one.effect[places[-1]] > 0:
        most = phrase("most speaks for it at row %(row)d, column %(column)d", **at(places[-1]))
        said = phrase("%(one)s; %(more)s", one=said, more=most)
    if one.effect[places[0]] < 0:
        most = phrase("most against it at row %(row)d, column %(column)d", **at(places[0]))
        said = phrase("%(one)s; %(more)s", one=said, more=most)
    return said
