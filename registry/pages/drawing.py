"""Draws lineage as SVG: ancestors to the left, descendants to the right, an arrow for each edge."""

from collections import defaultdict
from dataclasses import dataclass

from registry.usecases.lineage import Edge, Lineage

_WIDTH, _HEIGHT = 176, 44
_GAP_X, _GAP_Y = 104, 16
_LABEL = 46
_SHOWN = 24


@dataclass(frozen=True, slots=True)
class Box:
    """A version, or something elsewhere (`link` empty), and where it stands."""

    x: int
    y: int
    title: str
    line: str
    link: str
    is_subject: bool


@dataclass(frozen=True, slots=True)
class Arrow:
    """From parent to child, with the relation on it."""

    path: str
    label_x: int
    label_y: int
    relation: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """`is_cut` where not everything is shown. Without arrows there is nothing to see."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    edges: tuple[Edge, ...]
    is_cut: bool


def draw(found: Lineage) -> Drawing:
    """Each version in the column that is as far from the subject as its shortest way is long."""
    subject = f"{found.subject.model}@{found.subject.version}"
    known = {f"{row.model}@{row.version}": row for row in (found.subject, *found.versions)}
    columns = _columns(subject, found.edges)
    places = _places(columns, subject)
    boxes = [
        Box(
            x,
            y,
            _short(name),
            (known[name].status if name in known else "elsewhere"),
            f"/models/{known[name].model}/versions/{known[name].version}" if name in known else "",
            name == subject,
        )
        for name, (x, y) in places.items()
    ]
    arrows = [
        _arrow(
            places[edge.parent],
            places[edge.child],
            edge.relation,
            is_ancestral=columns[edge.parent] < 0,
        )
        for edge in found.edges
        if edge.parent in places and edge.child in places
    ]
    return Drawing(
        width=max(box.x for box in boxes) + _WIDTH,
        height=max(box.y for box in boxes) + _HEIGHT,
        boxes=tuple(boxes),
        arrows=tuple(arrows),
        edges=found.edges,
        is_cut=found.is_cut or len(columns) > _SHOWN,
    )


def _places(columns: dict[str, int], subject: str) -> dict[str, tuple[int, int]]:
    """The upper left corner of each box that is shown."""
    leftmost = min(columns.values())
    places: dict[str, tuple[int, int]] = {}
    filled: defaultdict[int, int] = defaultdict(int)
    for name in sorted(columns, key=lambda one: (columns[one], one != subject, one))[:_SHOWN]:
        column = columns[name] - leftmost
        places[name] = (column * (_WIDTH + _GAP_X), filled[column] * (_HEIGHT + _GAP_Y))
        filled[column] += 1
    return places


def _columns(subject: str, edges: tuple[Edge, ...]) -> dict[str, int]:
    """How many steps each stands before (negative) or after the subject."""
    columns = {subject: 0}
    for step, near, far in ((-1, "child", "parent"), (1, "parent", "child")):
        frontier = [subject]
        while frontier:
            name = frontier.pop(0)
            for edge in edges:
                other = getattr(edge, far)
                if getattr(edge, near) == name and other not in columns:
                    columns[other] = columns[name] + step
                    frontier.append(other)
    return columns


def _arrow(
    parent: tuple[int, int], child: tuple[int, int], relation: str, *, is_ancestral: bool
) -> Arrow:
    """The label stands at the end away from the subject, where arrows do not meet."""
    x1, y1 = parent[0] + _WIDTH, parent[1] + _HEIGHT // 2
    x2, y2 = child[0] - 7, child[1] + _HEIGHT // 2
    bend = max((x2 - x1) // 2, 24)
    path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    at = (x1 + _LABEL, y1 - 5) if is_ancestral else (x2 - _LABEL, y2 - 5)
    return Arrow(path, *at, relation.replace("_", "-"))


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:9]}…{name[-10:]}"
