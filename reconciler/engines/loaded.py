"""From a runtime's own status page to our values, where one process holds several versions. Pure.

`versions` is None throughout when the process does not run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.observed import Health, Instance, InstanceSpec, Phase, Route
from reconciler.engines.records import Records
from registry import errors

_HEALTH = {
    "LOADING": Health.STARTING,
    "AVAILABLE": Health.HEALTHY,
    "REFUSED": Health.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Version:
    """One version as the runtime shows it. `pending` is the state of the same version under other
    settings, on its way to this one's place, and the reason for it."""

    digest: str
    state: str
    reason: str
    active: bool
    pending: tuple[str, str] | None = None


Versions = Mapping[tuple[str, int], Version]


def versions(status: bytes) -> Versions:
    """The answer of /plimsoll/status by model and version; raises `EngineRefused`."""
    try:
        return {
            (model["model"], model["version"]): Version(
                model["digest"],
                model["state"],
                model["reason"],
                model["active"],
                _pending(model.get("pending")),
            )
            for model in json.loads(status)["models"]
        }
    except (ValueError, KeyError, TypeError) as error:
        raise errors.EngineRefused(
            f"the runtime's status is not what it should be: {error!r}",
            fix="see that the runtime on this port is of the same release as the reconciler",
        ) from error


def labels(status: bytes, model: str) -> dict[str, int]:
    """Where the labels of `model` shall lead, as /plimsoll/status shows it."""
    try:
        found: dict[str, int] = json.loads(status).get("policies", {}).get(model, {})["labels"]
    except (ValueError, KeyError, AttributeError):
        return {}
    return found


def instance(name: str, known: Records, versions: Versions | None) -> Instance:
    """What was asked for, as far as it came true.

    Where a version waits to run under other settings, who gets traffic has the present ones, and
    whoever else asks for that version the coming ones.
    """
    spec = known.specs[name]
    seen = versions.get((spec.model, spec.version)) if versions is not None else None
    if seen is not None and seen.digest != spec.digest:
        seen = None
    phase, health = Phase.EXITED, Health.NONE
    state, reason = (seen.state, seen.reason) if seen else ("", "")
    routed = known.routes.get(spec.model)
    if seen is not None and seen.pending and (routed is None or routed.instance != name):
        state, reason = seen.pending
    if versions is not None:
        phase = Phase.RUNNING if seen else Phase.CREATED
        health = _HEALTH.get(state, Health.UNHEALTHY) if seen else Health.NONE
    return Instance.of(spec, phase, health, detail=reason)


def _pending(found: Mapping[str, str] | None) -> tuple[str, str] | None:
    return (found["state"], found["reason"]) if found else None


def misplaced(spec: InstanceSpec, file: Path) -> list[str]:
    """Why `spec` cannot be where all models share one process that reads `file`, if it cannot."""
    if not spec.process:
        return []
    named = ", ".join(f"runtime.{name}" for name in sorted(spec.process))
    said = f"{named}: this host runs all models in one process, so write it into {file}"
    return [f"{said} while that is stopped"]


def routes(known: Records, versions: Versions | None) -> tuple[Route, ...]:
    """Where traffic goes; what is recorded decides only between instances of one version.

    A process that does not run will come back with the same versions active.
    """
    if versions is None:
        return tuple(known.routes[model] for model in sorted(known.routes))
    active = sorted(key for key, version in versions.items() if version.active)
    found = (_route(known, model, version) for model, version in active)
    return tuple(route for route in found if route is not None)


def _route(known: Records, model: str, version: int) -> Route | None:
    serving = {
        name: spec
        for name, spec in known.specs.items()
        if (spec.model, spec.version) == (model, version)
    }
    recorded = known.routes.get(model)
    if recorded is not None and recorded.instance in serving:
        return recorded
    return next((Route(model, spec.deployment, name) for name, spec in serving.items()), None)
