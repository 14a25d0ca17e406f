"""Which versions' bytes may go, and why the others stay. Pure: the time is an argument.

A version goes only where a rule says so and nothing speaks for it: no rule, no expiry. That other
versions were made of it does not keep its bytes, for lineage is proven by its digest, signatures
and log entries, and those stay.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TypeAlias

Key: TypeAlias = tuple[str, int]

READY = "ready"


class Why(StrEnum):
    """Stable codes for every reason to keep a version."""

    UNREADABLE = "unreadable_status"
    NOT_READY = "not_ready"
    HELD = "held"
    DEPLOYED = "deployed"
    LAST_GOOD = "last_good"
    IN_WINDOW = "rollback_window"
    ALIASED = "aliased"
    NO_RULE = "no_rule"
    NEWEST = "newest"
    YOUNG = "young"


@dataclass(frozen=True, slots=True)
class Rule:
    """For models like the glob `model`; of several that fit, the first counts.

    A version is kept that is among the newest `keep_last`, or younger than `keep_days`.
    """

    model: str
    keep_last: int | None = None
    keep_days: float | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """What is known of one version; `size` counts the bytes of all its variants."""

    model: str
    number: int
    status: str
    digest: str
    size: int
    created_at: datetime

    @property
    def key(self) -> Key:
        return self.model, self.number


@dataclass(frozen=True, slots=True)
class Facts:
    """What speaks for versions, each with the sentence that says why.

    `unreadable` names deployments whose status nobody understands: they may run anything.
    """

    deployed: Mapping[Key, str] = field(default_factory=dict)
    last_good: Mapping[Key, str] = field(default_factory=dict)
    in_window: Mapping[Key, str] = field(default_factory=dict)
    aliased: Mapping[Key, str] = field(default_factory=dict)
    held: Mapping[Key, str] = field(default_factory=dict)
    held_models: Mapping[str, str] = field(default_factory=dict)
    unreadable: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Keep:
    """The version stays as it is."""

    version: Version
    why: Why
    reason: str


@dataclass(frozen=True, slots=True)
class Expire:
    """The version's bytes may go."""

    version: Version
    reason: str


Decision: TypeAlias = Keep | Expire


def plan(
    versions: Iterable[Version], facts: Facts, rules: Sequence[Rule], now: datetime
) -> list[Decision]:
    """One decision for each version, by model and number, the newest first."""
    by_model: dict[str, list[Version]] = defaultdict(list)
    for version in versions:
        by_model[version.model].append(version)
    decisions: list[Decision] = []
    for model in sorted(by_model):
        rule = next((rule for rule in rules if fnmatchcase(model, rule.model)), None)
        newest_first = sorted(by_model[model], key=lambda version: -version.number)
        decisions += _of_model(newest_first, facts, rule, now)
    return decisions


def _of_model(
    newest_first: Sequence[Version], facts: Facts, rule: Rule | None, now: datetime
) -> Iterable[Decision]:
    # Only versions that can be pulled count: a refused or erased one is nobody's way back.
    place = 0
    for version in newest_first:
        place += version.status == READY
        spoken_for = _spoken_for(version, facts)
        if spoken_for is not None:
            yield Keep(version, *spoken_for)
        elif rule is None:
            yield Keep(version, Why.NO_RULE, "no retention rule names this model")
        else:
            yield _by_rule(version, rule, place, now)


def _spoken_for(version: Version, facts: Facts) -> tuple[Why, str] | None:
    if version.status != READY:
        return Why.NOT_READY, f"it is {version.status}"
    held = facts.held_models.get(version.model)
    if held is not None:
        return Why.HELD, held
    reasons: tuple[tuple[Why, Mapping[Key, str]], ...] = (
        (Why.HELD, facts.held),
        (Why.DEPLOYED, facts.deployed),
        (Why.LAST_GOOD, facts.last_good),
        (Why.IN_WINDOW, facts.in_window),
        (Why.ALIASED, facts.aliased),
    )
    for why, said in reasons:
        if version.key in said:
            return why, said[version.key]
    if facts.unreadable:
        return Why.UNREADABLE, f"the status of {facts.unreadable[0]} cannot be read"
    return None


def _by_rule(version: Version, rule: Rule, place: int, now: datetime) -> Decision:
    age = now - version.created_at
    if rule.keep_last is not None and place <= rule.keep_last:
        return Keep(version, Why.NEWEST, f"{_nth(place)}, keep_last = {rule.keep_last}")
    if rule.keep_days is not None and age < timedelta(days=rule.keep_days):
        return Keep(version, Why.YOUNG, f"{age.days} days old, keep_days = {rule.keep_days:g}")
    said = []
    if rule.keep_last is not None:
        said.append(f"{_nth(place)}, keep_last = {rule.keep_last}")
    if rule.keep_days is not None:
        said.append(f"{age.days} days old, keep_days = {rule.keep_days:g}")
    return Expire(version, f"rule {rule.model!r}: {'; '.join(said)}")


def _nth(place: int) -> str:
    """`newest`, `2nd newest`, …"""
    return "newest" if place == 1 else f"{_ordinal(place)} newest"


def _ordinal(place: int) -> str:
    if place % 100 in {11, 12, 13}:
        return f"{place}th"
    return f"{place}{({1: 'st', 2: 'nd', 3: 'rd'}).get(place % 10, 'th')}"
