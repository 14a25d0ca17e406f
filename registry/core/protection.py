"""Protected aliases: rules that say who alone may move them. Pure; an alias no rule names is free.

A rule's `model`, `alias` and `movers` are globs; a mover is `role:token-name`, as the log names it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may move aliases like `alias` of models like `model`. No mover means nobody may."""

    model: str
    alias: str
    movers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Allowed:
    """The move may happen."""


@dataclass(frozen=True, slots=True)
class Denied:
    """It may not; `reason` completes "alias … ", `movers` are those who could."""

    reason: str
    movers: tuple[str, ...]


def decide(rules: Iterable[Rule], *, model: str, alias: str, actor: str) -> Allowed | Denied:
    """Every rule that names the alias must know the actor."""
    for rule in rules:
        if not (fnmatchcase(model, rule.model) and fnmatchcase(alias, rule.alias)):
            continue
        if not any(fnmatchcase(actor, mover) for mover in rule.movers):
            return Denied(_reason(rule), rule.movers)
    return Allowed()


def names(rules: Iterable[Rule], *, model: str, alias: str) -> bool:
    """Whether any rule protects the alias."""
    return any(fnmatchcase(model, rule.model) and fnmatchcase(alias, rule.alias) for rule in rules)


def _reason(rule: Rule) -> str:
    if not rule.movers:
        return "is frozen: nobody may move it"
    return f"is protected: only {', '.join(rule.movers)} may move it"
