"""Two versions of a model side by side: what is the same, what differs, and by how much."""

from dataclasses import dataclass
from datetime import datetime

from registry.db import whole
from registry.pages import models, views
from registry.pages.models import Version
from registry.pages.wording import known, phrase


@dataclass(frozen=True, slots=True)
class Line:
    """One fact of both; `change` is in words, and empty where there is nothing to say."""

    name: str
    left: str
    right: str
    change: str = ""

    @property
    def is_same(self) -> bool:
        return self.left == self.right


@dataclass(frozen=True, slots=True)
class Part:
    """Facts of one kind."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left` and `right`, and all that can be compared of them."""

    left: Version
    right: Version
    parts: tuple[Part, ...]


def compare(left: whole.Version, right: whole.Version, now: datetime) -> Comparison:
    """What only one of them has stands against nothing."""
    a, b = models.version(left, now), models.version(right, now)
    parts = (
        Part(phrase("Identity"), _identity(a, b)),
        Part(phrase("Tensors"), _tensors(a, b)),
        Part(phrase("Metrics"), _metrics(left, right)),
        Part(phrase("Parameters"), _pairs(dict(a.parameters), dict(b.parameters))),
        Part(phrase("Tags"), _pairs(dict(a.tags), dict(b.tags))),
        Part(phrase("Data sets"), _pairs(_datasets(a), _datasets(b))),
        Part(phrase("Files"), _pairs(_files(a), _files(b))),
    )
    return Comparison(a, b, tuple(part for part in parts if part.lines))


def _identity(a: Version, b: Version) -> tuple[Line, ...]:
    firsts = (a.first, b.first)
    facts = {"Owner", "Licence", "Training code", "Source", "Run"}
    return tuple(
        line
        for line in (
            Line(phrase("State"), known(a.status.word), known(b.status.word)),
            Line(phrase("Digest"), a.digest, b.digest),
            Line(phrase("Commit"), a.commit, b.commit),
            Line(phrase("Publisher"), *(one.publisher if one else "" for one in firsts)),
            Line(phrase("Formats"), _formats(a), _formats(b)),
            Line(phrase("Size"), *(one.size if one else "" for one in firsts)),
            *_pairs(
                {name: text for name, text in a.facts if name in facts},
                {name: text for name, text in b.facts if name in facts},
            ),
        )
        if line.left or line.right
    )


def _formats(one: Version) -> str:
    return ", ".join(variant.name for variant in one.variants)


def _tensors(a: Version, b: Version) -> tuple[Line, ...]:
    firsts = (a.first, b.first)
    return tuple(
        line
        for line in (
            Line(phrase("Takes"), *("; ".join(one.inputs) if one else "" for one in firsts)),
            Line(phrase("Gives"), *("; ".join(one.outputs) if one else "" for one in firsts)),
        )
        if line.left or line.right
    )


def _metrics(left: whole.Version, right: whole.Version) -> tuple[Line, ...]:
    a = {metric.key: metric.value for metric in left.metrics}
    b = {metric.key: metric.value for metric in right.metrics}
    return tuple(
        Line(
            key,
            f"{a[key]:g}" if key in a else "",
            f"{b[key]:g}" if key in b else "",
            _change(a[key], b[key]) if key in a and key in b else "",
        )
        for key in sorted(a.keys() | b.keys())
    )


def _change(before: float, after: float) -> str:
    """Which direction is the better one, only people know."""
    if before == after:
        return phrase("no change")
    share = f" ({(after - before) / abs(before):+.1%})" if before else ""
    return f"{after - before:+.4g}{share}"


def _pairs(a: dict[str, str], b: dict[str, str]) -> tuple[Line, ...]:
    return tuple(Line(key, a.get(key, ""), b.get(key, "")) for key in sorted(a.keys() | b.keys()))


def _datasets(one: Version) -> dict[str, str]:
    return {name: digest or uri for name, digest, uri in one.datasets}


def _files(one: Version) -> dict[str, str]:
    if one.first is None:
        return {}
    return {path: f"{views.short(digest)} {size}" for path, digest, size in one.first.files}
