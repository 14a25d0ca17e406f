"""What differs between two states of the followed branch: deployments, and the files. Pure.

Of 1,000 files most are the same object in both states, where one reader has read both: so what
did not change costs a comparison of two names.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.desired import Deployment, DesiredState
from reconciler.core.edit import Pin
from reconciler.core.kinds import Secret
from registry.core import canonical
from registry.core.canonical import Json

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Side:
    """One state of the branch: what it asks for, and the files that it is made of."""

    state: DesiredState
    files: Mapping[str, bytes]


class Effect(StrEnum):
    """What becomes of a deployment. `CONFIGURED`: no host starts or stops anything for it."""

    ADDED = "added"
    UPDATED = "updated"
    MOVED = "moved"
    CONFIGURED = "configured"
    REMOVED = "removed"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Change:
    """One deployment before and after; `hosts` are those on which something happens."""

    key: str
    path: str
    effect: Effect
    before: Deployment | None
    after: Deployment | None
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a deployment's file that is another now; empty where it is not there."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file: `added`, `changed` or `removed`, and its lines as a unified diff."""

    path: str
    how: str
    diff: str


def changes(before: DesiredState, after: DesiredState) -> tuple[Change, ...]:
    """Every deployment that is not as it was, by name."""
    found = []
    for key in sorted(before.deployments.keys() | after.deployments.keys() | after.held.keys()):
        one, other = before.deployments.get(key), after.deployments.get(key)
        if key in after.held:
            if after.held[key] != before.held.get(key):
                path = one.path if one is not None else after.held[key][0].path
                found.append(Change(key, path, Effect.HELD, one, None, ()))
        elif one is not other:
            change = _change(key, one, other)
            found += [] if change is None else [change]
    return tuple(found)


def _change(key: str, before: Deployment | None, after: Deployment | None) -> Change | None:
    match before, after:
        case None, Deployment():
            return Change(key, after.path, Effect.ADDED, None, after, after.hosts)
        case Deployment(), None:
            return Change(key, before.path, Effect.REMOVED, before, None, before.hosts)
        case Deployment(), Deployment():
            if before == after:
                return None
            effect, hosts = _update(before, after)
            return Change(key, after.path, effect, before, after, hosts)
    return None


def _update(before: Deployment, after: Deployment) -> tuple[Effect, tuple[str, ...]]:
    everywhere = tuple(sorted({*before.hosts, *after.hosts}))
    if before.spec_on("", "").spec_hash != after.spec_on("", "").spec_hash:
        return Effect.UPDATED, everywhere
    moving = tuple(sorted(set(before.hosts) ^ set(after.hosts)))
    return (Effect.MOVED if moving else Effect.CONFIGURED), moving


def pin(deployment: Deployment | None) -> Pin | None:
    """The version that it asks for."""
    if deployment is None:
        return None
    model = deployment.manifest.spec.model
    return Pin(model.name, model.version, model.digest)


def fields(change: Change) -> tuple[Field, ...]:
    """What is another now in the file of a deployment that stays, by the paths people write."""
    if change.before is None or change.after is None:
        return ()
    one, other = (
        dict(_flat(side.manifest.model_dump(mode="json", by_alias=True)))
        for side in (change.before, change.after)
    )
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    found = [Field(name, one.get(name, ""), other.get(name, "")) for name in names]
    return (*found, *_secrets(change.before.sealed, change.after.sealed))


def _secrets(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Field]:
    """Those named before and after that are another value now, which nothing here tells."""
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            yield Field(f"secret {name}", f"sealed {before[name][:8]}", f"sealed {after[name][:8]}")


def _flat(value: Json, at: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{at}.{name}" if at else name)
    elif value not in (None, [], {}):
        text = value if isinstance(value, str) else canonical.encode(value).decode()
        yield at, text[:_SHOWN]


def files(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[FileChange, ...]:
    """Every file that is not as it was, by path."""
    found = []
    for path in sorted(before.keys() | after.keys()):
        one, other = before.get(path), after.get(path)
        if one is not other and one != other:
            how = "added" if one is None else "removed" if other is None else "changed"
            found.append(FileChange(path, how, _diff(path, one, other)))
    return tuple(found)


def _diff(path: str, before: bytes | None, after: bytes | None) -> str:
    if path.startswith(f"{Secret.folder}/"):
        return "(secrets: not shown)"  # a file that somebody forgot to encrypt is here too
    texts = []
    for data in (before, after):
        try:
            texts.append((data or b"").decode().splitlines())
        except UnicodeDecodeError:
            return "(not text)"
    one, other = texts
    return "\n".join(difflib.unified_diff(one, other, f"a/{path}", f"b/{path}", lineterm=""))
