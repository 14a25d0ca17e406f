"""How far a cluster has come with an object, read from the status that it gives. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Ready:
    """It serves, as it was applied last."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet; `reason` says for what."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The cluster has given up on it."""

    reason: str


Standing: TypeAlias = Ready | Waiting | Failed

GATES_TRAFFIC = ("Deployment", "InferenceService")
"""The kinds of objects that have to be ready before clients are sent to them."""


def of(found: Mapping[str, Any]) -> Standing:
    """What its status says; kinds without one are ready once they are there."""
    status = found.get("status") or {}
    seen, wanted = status.get("observedGeneration"), found.get("metadata", {}).get("generation")
    match found.get("kind"):
        case "Deployment":
            if (seen or 0) < (wanted or 0):
                return Waiting("the cluster has not looked at it yet")
            return _of_deployment(found.get("spec") or {}, status)
        case "InferenceService":
            if seen is not None and seen < (wanted or 0):
                return Waiting("KServe has not looked at it yet")
            return _of_service(status)
        case _:
            return Ready()


def _of_deployment(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Standing:
    progressing = _condition(status, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Failed(str(progressing.get("message") or "its progress deadline is over"))
    failure = _condition(status, "ReplicaFailure")
    if failure.get("status") == "True":
        return Waiting(str(failure.get("message") or "its pods cannot be created"))
    wanted = spec.get("replicas", 1)
    available = min(status.get("updatedReplicas") or 0, status.get("availableReplicas") or 0)
    if available < wanted:
        return Waiting(f"{available} of {wanted} pods are ready")
    return Ready()


def _of_service(status: Mapping[str, Any]) -> Standing:
    transition = (status.get("modelStatus") or {}).get("transitionStatus")
    if transition in ("BlockedByFailedLoad", "InvalidSpec"):
        said = (status.get("modelStatus") or {}).get("lastFailureInfo") or {}
        return Failed(str(said.get("message") or transition))
    ready = _condition(status, "Ready")
    if ready.get("status") == "True":
        return Ready()
    return Waiting(str(ready.get("message") or "KServe says that it is not ready"))


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    found = (one for one in status.get("conditions") or () if one.get("type") == kind)
    return next(found, {})
