"""What a publisher says of a version: written once with it, searched later, trusted for nothing.

Names, tags and commits end up in the log, which forgets nothing; free text (description, owner,
card) does not, so that it can be erased.
"""

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum

from registry.core import canonical, digest, names
from registry.core.canonical import Json
from registry.errors import InvalidInput

KEY_LIMIT = 250
VALUE_LIMIT = 8_000
TEXT_LIMIT = 16_000
CARD_LIMIT = 512_000
COUNT_LIMIT = 500
_START = 128
_KEY = re.compile(r"[^\x00-\x1f\x7f]+")


class Relation(StrEnum):
    """How a version came out of its parent; `merged` may have several."""

    FINE_TUNED = "fine_tuned"
    CONVERTED = "converted"
    QUANTISED = "quantised"
    PRUNED = "pruned"
    DISTILLED = "distilled"
    WATERMARKED = "watermarked"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data a version was made from; `digest` may be empty where nobody computed one."""

    name: str
    digest: str = ""
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Parent:
    """What a version was made of: one of this registry, or `reference` to something elsewhere."""

    relation: Relation
    model: str = ""
    version: int = 0
    reference: str = ""

    @property
    def name(self) -> str:
        """`model@version`, or the reference as it was given."""
        return f"{self.model}@{self.version}" if self.model else self.reference


@dataclass(frozen=True, slots=True)
class Facts:
    """Empty means not said."""

    description: str = ""
    owner: str = ""
    licence: str = ""
    commit: str = ""
    repository: str = ""
    source: str = ""
    run_id: str = ""
    card: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    datasets: tuple[Dataset, ...] = ()
    parents: tuple[Parent, ...] = ()


NONE = Facts()


def require_sound(said: Facts) -> Facts:
    """`said`, if it fits where it will be kept; raises InvalidInput naming the field."""
    for name, limit in (
        ("description", TEXT_LIMIT),
        ("owner", 256),
        ("licence", 128),
        ("commit", 128),
        ("repository", 1024),
        ("source", TEXT_LIMIT),
        ("run_id", 256),
        ("card", CARD_LIMIT),
    ):
        require_text(getattr(said, name), what=name, limit=limit)
    require_tags(said.tags)
    require_tags(said.parameters, what="parameter")
    _require_metrics(said.metrics)
    _require_datasets(said.datasets)
    _require_parents(said.parents)
    return said


def require_text(text: str, *, what: str, limit: int = TEXT_LIMIT) -> str:
    """`text`, if it is short enough and holds no zero byte, which PostgreSQL cannot keep."""
    if len(text) > limit or "\x00" in text:
        raise InvalidInput(
            f"{what} has {len(text)} characters, or a zero byte",
            fix=f"at most {limit} characters fit, none of them zero",
        )
    return text


def require_tags(tags: dict[str, str], *, what: str = "tag") -> dict[str, str]:
    """`tags`, if every key and value fits."""
    _require_count(len(tags), what)
    for key, value in tags.items():
        _require_key(key, what)
        require_text(value, what=f"{what} {key[:60]!r}", limit=VALUE_LIMIT)
    return tags


def start(value: str) -> str:
    """The beginning of a value, short enough for any index."""
    return value[:_START]


def _require_metrics(metrics: dict[str, float]) -> None:
    _require_count(len(metrics), "metric")
    for key, value in metrics.items():
        _require_key(key, "metric")
        if not math.isfinite(value):
            raise InvalidInput(f"metric {key[:60]!r} is {value}", fix="write a finite number")


def _require_datasets(datasets: tuple[Dataset, ...]) -> None:
    _require_count(len(datasets), "data set")
    if len({dataset.name for dataset in datasets}) != len(datasets):
        raise InvalidInput("two data sets have one name", fix="give each its own name")
    for dataset in datasets:
        _require_key(dataset.name, "data set")
        require_text(dataset.uri, what=f"uri of data set {dataset.name[:60]!r}", limit=1024)
        if dataset.digest:
            digest.parse(dataset.digest)


def _require_parents(parents: tuple[Parent, ...]) -> None:
    _require_count(len(parents), "parent")
    for parent in parents:
        if bool(parent.model) == bool(parent.reference):
            raise InvalidInput(
                "a parent is a model and version of this registry, or a reference elsewhere",
                fix='write {"relation", "model", "version"} or {"relation", "reference"}',
            )
        if parent.model:
            names.slug(parent.model)
            names.version(parent.version)
        _require_key(parent.name, "parent", limit=512)
    if len({(parent.relation, parent.name) for parent in parents}) != len(parents):
        raise InvalidInput("a parent is named twice", fix="name each once for each relation")


def _require_count(count: int, what: str) -> None:
    if count > COUNT_LIMIT:
        raise InvalidInput(f"{count} {what}s", fix=f"at most {COUNT_LIMIT} fit")


def _require_key(key: str, what: str, *, limit: int = KEY_LIMIT) -> None:
    if len(key) > limit or not _KEY.fullmatch(key):
        raise InvalidInput(
            f"{what} name {key[:60]!r} is not allowed",
            fix=f"use 1 to {limit} characters, no control characters",
        )


def text_of(value: Json) -> str:
    """A parameter's value as text: texts as they are, all else as JSON."""
    return value if isinstance(value, str) else canonical.encode(value).decode()
