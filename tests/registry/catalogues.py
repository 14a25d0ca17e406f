"""Catalogues of many versions, put straight into the tables, and what a search should find in them.

`fits` and `in_order` say in plain Python what the language means; they share nothing with the
statements that are tested against them.
"""

import operator
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from typing import Any

from registry.core.query import Field, Operator, Order, Term, Value
from registry.db import tables
from registry.db.engine import Session
from registry.db.tables_log import LogEntry
from registry.usecases.opening import Registry

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LONG = "x" * 128
# Letter case, signs that patterns use, values that differ only behind what an index holds.
WORDS = (
    "risk", "Risk", "RISK", "ri%k", "ri_k", "ri*k", "[risk]", "ri\\k", "it's", 'a"b', "", " ",
    "é", "É", "ß", LONG, LONG + "a", LONG + "b", "'; DROP TABLE versions; --", "risky", "a-risk",
    "\U0010ffff", "ri\U0010ffff",
)  # fmt: skip
KEYS = ("team", "stage", "a b", "it`s")
MODELS = ("alpha", "beta", "gamma", "gammas")
METRICS = (-1.5, 0.0, 0.1, 0.25, 1.0, 1e-300, 1e300)
COMPARISONS = {
    Operator.EQUAL: operator.eq,
    Operator.UNEQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}
_LOGGED = 1_000_000


@dataclass
class Known:
    """What the naive search knows of a version or a model."""

    identity: int | str
    attributes: dict[str, Value]
    members: dict[str, set[str]] = field(default_factory=dict)
    groups: dict[str, dict[str, Value]] = field(default_factory=dict)

    def value(self, of: Field) -> Value | None:
        return self.groups[of.name].get(of.key) if of.key else self.attributes[of.name]


def fill(registry: Registry, seed: int, count: int) -> tuple[list[Known], list[Known]]:
    """Make the models and `count` versions; gives both as the naive search sees them."""
    rnd = random.Random(seed)
    with registry.database.writing() as session:
        models = [_model(session, rnd, name) for name in MODELS]
        session.flush()
        versions = [_version(session, rnd, number) for number in range(count)]
        session.flush()
        _name_champions(session, models, versions)
        session.commit()
    return models, versions


def add_plain(registry: Registry, count: int, *, tags: dict[str, str]) -> None:
    """More versions of the first model, now."""
    with registry.database.writing() as session:
        for _ in range(count):
            row = _row(random.Random(0), MODELS[0], session)
            session.add(row)
            session.flush()
            session.add_all(_labels(row.id, tags))
        session.commit()


def _model(session: Session, rnd: random.Random, name: str) -> Known:
    at = BEGAN + timedelta(seconds=rnd.randrange(3))
    row = tables.Model(
        name=name, display_name=f"{name}s", description=rnd.choice(WORDS),
        owner=rnd.choice(WORDS), project="", next_version=1, created_at=at, updated_at=at,
    )  # fmt: skip
    tags = {key: rnd.choice(WORDS) for key in KEYS if rnd.random() < 0.7}
    session.add(row)
    session.flush()
    session.add_all(
        tables.ModelTag(model=name, key=key, value=value, start=value[:128])
        for key, value in tags.items()
    )
    attributes = _attributes(row, ("name", "display_name", "description", "owner"))
    return Known(name, attributes, {"alias": set()}, {"tags": dict(tags)})


def _version(session: Session, rnd: random.Random, number: int) -> Known:
    row = _row(rnd, rnd.choice(MODELS), session)
    session.add(row)
    session.flush()
    formats = set(rnd.sample(("onnx", "saved_model", "safetensors"), rnd.randrange(3)))
    publishers = {rnd.choice(("alice", "bob")) for _ in formats}
    digests = [f"sha256:{number:060x}{at:04x}" for at in range(len(formats))]
    for at, form in enumerate(sorted(formats)):
        index = _LOGGED + number * 10 + at
        session.add(
            LogEntry(index=index, leaf=b"", kind="published", model=None, version=None, at=BEGAN)
        )
        session.flush()
        publisher = sorted(publishers)[at % len(publishers)]
        session.add(_variant(row.id, form, digests[at], publisher, index))
    datasets = set(rnd.sample(("train", "test"), rnd.randrange(3)))
    session.add_all(
        tables.Dataset(version_id=row.id, name=name, digest=f"sha256:{name}", uri="")
        for name in datasets
    )
    tags = {key: rnd.choice(WORDS) for key in KEYS if rnd.random() < 0.7}
    parameters = {key: rnd.choice(WORDS) for key in KEYS if rnd.random() < 0.5}
    metrics = {key: rnd.choice(METRICS) for key in ("f1", "loss") if rnd.random() < 0.6}
    session.add_all(_labels(row.id, tags))
    session.add_all(
        tables.Parameter(version_id=row.id, key=key, value=value, start=value[:128])
        for key, value in parameters.items()
    )
    session.add_all(
        tables.Metric(version_id=row.id, key=key, value=value) for key, value in metrics.items()
    )
    texts = ("status", "description", "owner", "licence", "commit", "repository", "run_id")
    attributes = _attributes(row, (*texts, "version"))
    attributes |= {
        "name": row.model,
        "display_name": f"{row.model}s",
        "source_path": row.source,
    }
    members = {
        "format": formats,
        "publisher": publishers,
        "digest": set(digests),
        "dataset.name": datasets,
        "dataset.digest": {f"sha256:{name}" for name in datasets},
        "alias": set[str](),
    }
    groups: dict[str, dict[str, Any]] = {"tags": tags, "params": parameters, "metrics": metrics}
    return Known(row.id, attributes, members, groups)


def _row(rnd: random.Random, model: str, session: Session) -> tables.Version:
    found = session.get_one(tables.Model, model)
    found.next_version += 1
    words = {
        name: rnd.choice(WORDS)[:128]
        for name in ("description", "owner", "licence", "commit", "repository", "source", "run_id")
    }
    return tables.Version(
        model=model, version=found.next_version - 1, status_message="", actor="", card="",
        status=rnd.choice((tables.READY, tables.FAILED)),
        created_at=BEGAN + timedelta(microseconds=rnd.randrange(4)),
        updated_at=BEGAN + timedelta(days=rnd.randrange(4)), **words,
    )  # fmt: skip


def _variant(
    version: int, form: str, digest: str, publisher: str, log_index: int
) -> tables.Variant:
    return tables.Variant(
        version_id=version, name=form, format=form, digest=digest, config_digest="", config=b"",
        size=1, publisher=publisher, manifest=b"", publisher_bundle=b"", registry_bundle=b"",
        signature={}, log_index=log_index, created_at=BEGAN,
    )  # fmt: skip


def _labels(version: int, tags: dict[str, str]) -> Iterable[tables.VersionTag]:
    return (
        tables.VersionTag(version_id=version, key=key, value=value, start=value[:128])
        for key, value in tags.items()
    )


def _name_champions(session: Session, models: list[Known], versions: list[Known]) -> None:
    for model in models:
        ours = [one for one in versions if one.attributes["name"] == model.identity]
        for alias, chosen in zip(("champion", "challenger"), ours[::2], strict=False):
            session.add(
                tables.Alias(
                    model=str(model.identity), alias=alias,
                    version=chosen.attributes["version"], updated_at=BEGAN,
                )
            )  # fmt: skip
            chosen.members["alias"].add(alias)
            model.members["alias"].add(alias)


def _attributes(row: object, names: Sequence[str]) -> dict[str, Value]:
    return {name: getattr(row, name) for name in (*names, "created_at", "updated_at")}


def fits(known: Known, terms: Sequence[Term]) -> bool:
    """Whether every term is true."""
    return all(_fits(known, term) for term in terms)


def _fits(known: Known, term: Term) -> bool:
    if not term.field.key and term.field.name in known.members:
        members = known.members[term.field.name]
        if term.operator in {Operator.UNEQUAL, Operator.NOT_IN}:
            return members.isdisjoint(map(str, term.values))
        return any(_compare(one, term) for one in members)
    value = known.value(term.field)
    return value is not None and _compare(value, term)


def _compare(value: Any, term: Term) -> bool:
    other: Any = term.values[0]
    match term.operator:
        case Operator.IN:
            return value in term.values
        case Operator.NOT_IN:
            return value not in term.values
        case Operator.LIKE:
            return bool(_pattern(other).fullmatch(value))
        case Operator.ILIKE:
            return bool(_pattern(_folded(other)).fullmatch(_folded(value)))
        case _:
            return bool(COMPARISONS[term.operator](value, other))


def _folded(text: str) -> str:
    """A to Z alone."""
    return re.sub("[A-Z]", lambda letter: letter[0].lower(), text)


def _pattern(text: str) -> re.Pattern[str]:
    pieces = re.findall(r"\\(.)|(%)|(_)|(.)", text, re.DOTALL)
    return re.compile(
        "".join(
            ".*" if percent else "." if underscore else re.escape(escaped or plain)
            for escaped, percent, underscore, plain in pieces
        ),
        re.DOTALL,
    )


def in_order(found: Sequence[Known], order: Sequence[Order], *, newest_first: bool) -> list[Known]:
    """Sorted: what is missing last, equals by identity in the direction of the last field."""
    is_descending = order[-1].is_descending if order else newest_first

    def compared(one: Known, other: Known) -> int:
        for by in order:
            difference = _difference(one.value(by.field), other.value(by.field), by)
            if difference:
                return difference
        first, second = (other, one) if is_descending else (one, other)
        return -1 if first.identity < second.identity else 1  # type: ignore[operator]

    return sorted(found, key=cmp_to_key(compared))


def _difference(one: Any, other: Any, by: Order) -> int:
    if one == other:
        return 0
    if one is None or other is None:
        return 1 if one is None else -1
    return (1 if one > other else -1) * (-1 if by.is_descending else 1)
