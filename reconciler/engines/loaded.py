"""From a runtime's own status page to our values, where one process holds several versions. Pure.

`versions` is None throughout when the process does not run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

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
    """One version as the runtime shows it."""

    digest: str
    state: str
    reason: str
    active: bool


Versions = Mapping[tuple[str, int], Version]


def versions(status: bytes) -> Versions:
    """The answer of /plimsoll/status by model and version; raises `EngineRefused`."""
    try:
        return {
            (model["model"], model["version"]): Version(
                model["digest"], model["state"], model["reason"], model["active"]
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


def instance(spec: InstanceSpec, versions: Versions | None) -> Instance:
    """What was asked for, as far as it came true."""
    seen = versions.get((spec.model, spec.version)) if versions is not None else None
    if seen is not None and seen.digest != spec.digest:
        seen = None
    phase, health = Phase.EXITED, Health.NONE
    if versions is not None:
        phase = Phase.RUNNING if seen else Phase.CREATED
        health = _HEALTH.get(seen.state, Health.UNHEALTHY) if seen else Health.NONE
    return Instance.of(spec, phase, health, detail=seen.reason if seen else "")


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
