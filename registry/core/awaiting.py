"""What `plimsoll wait` waits for, against the status of a deployment. Pure.

A deployment still at an earlier commit may be in sync and healthy with it: who has just pushed
names the commit or the version, and until that is asked for nothing else counts.
"""

from dataclasses import dataclass
from typing import TypeAlias

from registry import errors
from registry.core.canonical import Json

Document: TypeAlias = dict[str, Json]

# Which part of a status, and the word it must have.
CONDITIONS = {
    "synced": ("sync", "Synced"),
    "healthy": ("health", "Healthy"),
    "verified": ("trust", "Verified"),
}


@dataclass(frozen=True, slots=True)
class Goal:
    """All of `conditions`, of `version` (0: any) and from `commit` (its beginning; empty: any)."""

    conditions: tuple[str, ...]
    version: int = 0
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """All that was waited for is so."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet; `text` says for what, and why."""

    text: str


@dataclass(frozen=True, slots=True)
class Hopeless:
    """It cannot come true any more without somebody doing something."""

    text: str
    fix: str


Standing: TypeAlias = Reached | Waiting | Hopeless


def conditions(text: str) -> tuple[str, ...]:
    """`synced,healthy` as names; raises InvalidInput."""
    found = tuple(one.strip() for one in text.split(","))
    for one in found:
        if one not in CONDITIONS:
            raise errors.InvalidInput(
                f"--for: {one[:40]!r} cannot be waited for",
                fix=f"name some of {', '.join(CONDITIONS)}, with commas between them",
            )
    return found


def standing(document: Document | None, goal: Goal, *, was_at_commit: bool = False) -> Standing:
    """How it stands with `goal`; `was_at_commit`: an earlier look has seen the commit."""
    if document is None:
        return Waiting("no reconciler has told of it yet")
    if lost := _lost(document, goal):
        return lost
    commit, desired = str(document.get("commit") or ""), _part(document, "desired")
    if goal.commit and not was_at_commit and not commit.startswith(goal.commit):
        return Waiting(f"the reconciler is at commit {commit[:12]}, not yet at {goal.commit[:12]}")
    if goal.version and desired.get("version") != goal.version:
        return Waiting(f"version {desired.get('version')} is asked for, not yet {goal.version}")
    missing = [_missing(document, name) for name in goal.conditions]
    text = "; ".join(one for one in missing if one)
    return Waiting(text) if text else Reached()


def is_at(document: Document | None, commit: str) -> bool:
    """Whether its status is from this commit."""
    return document is not None and str(document.get("commit") or "").startswith(commit)


def _lost(document: Document, goal: Goal) -> Hopeless | None:
    refused = _part(_part(document, "git"), "refused")
    if goal.commit and str(refused.get("commit") or "").startswith(goal.commit):
        return Hopeless(
            f"commit {goal.commit[:12]} is refused: {refused.get('reason')}",
            str(refused.get("fix") or "see: plimsoll git status"),
        )
    desired, trust, sync = (_part(document, name) for name in ("desired", "trust", "sync"))
    if goal.version and desired.get("version") != goal.version:
        desired = {"version": goal.version}
    for entry in _parts(document, "quarantined"):
        if _is_same(entry, desired) and sync.get("status") != "Synced":
            return Hopeless(
                f"version {entry.get('version')} is quarantined: {entry.get('reason')}",
                "ask for another version in Git, or: plimsoll retry",
            )
    is_asked = not goal.version or _part(document, "desired").get("version") == goal.version
    if is_asked and trust.get("status") == "Refused" and not refused:
        return Hopeless(
            f"version {desired.get('version')} is refused: {trust.get('reason')}",
            "mend what it is refused for, or ask for another version in Git",
        )
    return None


def _is_same(entry: Document, desired: Document) -> bool:
    if "digest" in desired:
        return (entry.get("version"), entry.get("digest")) == (
            desired.get("version"), desired.get("digest")
        )  # fmt: skip
    return entry.get("version") == desired.get("version")


def _missing(document: Document, name: str) -> str:
    """`health is Progressing: version 7 is starting`; empty where it is as it should be."""
    part, word = CONDITIONS[name]
    found = _part(document, part)
    if found.get("status") == word:
        return ""
    reason = f": {found['reason']}" if found.get("reason") else ""
    return f"{part} is {found.get('status') or 'not known'}{reason}"


def _part(document: Document, name: str) -> Document:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _parts(document: Document, name: str) -> list[Document]:
    found = document.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
