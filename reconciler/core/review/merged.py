"""How the deployments that a merged commit changed are doing, as statuses of that commit. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.core.review.changing import Change
from reconciler.core.review.escaping import visible
from reconciler.core.review.marks import DEPLOY, State, Status
from registry.core.canonical import Json

_SETTLED = frozenset({"Healthy", "Suspended"})


@dataclass(frozen=True, slots=True)
class Shown:
    """What the registry shows of a deployment; no document where it shows nothing."""

    deployment: str
    is_wanted: bool
    document: Mapping[str, Json] | None


def environments(changes: Iterable[Change]) -> dict[str, tuple[str, ...]]:
    """The deployments that change, by environment."""
    found: dict[str, list[str]] = {}
    for change in changes:
        found.setdefault(change.key.partition("/")[0], []).append(change.key)
    return {name: tuple(keys) for name, keys in found.items()}


def status(environment: str, commit: str, shown: Iterable[Shown]) -> Status:
    """`plimsoll/deploy/<environment>`: the worst that is true of what `commit` changed there."""
    found = [(one.deployment, *_one(commit, one)) for one in shown]
    for state in (State.FAILURE, State.PENDING):
        said = [f"{name}: {text}" for name, one, text in found if one is state]
        if said:
            more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
            return Status(f"{DEPLOY}{environment}", state, _line(said[0] + more))
    count = len(found)
    text = f"{count} deployment{'' if count == 1 else 's'} healthy"
    return Status(f"{DEPLOY}{environment}", State.SUCCESS, text)


def _one(commit: str, shown: Shown) -> tuple[State, str]:
    document = shown.document
    if not shown.is_wanted:
        return (State.SUCCESS, "gone") if document is None else (State.PENDING, "is taken down")
    if document is None:
        return State.PENDING, "not begun"
    refused = _mapping(_mapping(document, "git"), "refused")
    if refused.get("commit") == commit:
        return State.FAILURE, str(refused.get("reason", "refused"))
    if document.get("commit") != commit:
        return State.PENDING, "not seen by the reconciler yet"
    return _judged(document)


def _judged(document: Mapping[str, Json]) -> tuple[State, str]:
    sync, sync_reason = _status(document, "sync")
    health, health_reason = _status(document, "health")
    trust, trust_reason = _status(document, "trust")
    quarantined = document.get("quarantined")
    if sync != "Synced" and isinstance(quarantined, list) and quarantined:
        last = quarantined[-1]
        why = last.get("reason") if isinstance(last, dict) else None
        return State.FAILURE, f"rolled back: {why or sync_reason}"
    if trust == "Refused":
        return State.FAILURE, f"refused: {trust_reason}"
    if health == "Degraded":
        return State.FAILURE, f"degraded: {health_reason}"
    if sync == "Synced" and health in _SETTLED:
        return State.SUCCESS, health.lower()
    if health == "Suspended":
        return State.SUCCESS, f"suspended: {health_reason}"
    return State.PENDING, health_reason or sync_reason or health.lower()


def _status(document: Mapping[str, Json], name: str) -> tuple[str, str]:
    found = _mapping(document, name)
    return str(found.get("status", "")), str(found.get("reason", ""))


def _mapping(source: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = source.get(name)
    return found if isinstance(found, dict) else {}


def _line(text: str) -> str:
    return visible(" ".join(text.split()))
