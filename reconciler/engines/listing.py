"""From Docker's container list to our values. Pure: one list answers everything.

Health is read from the list's status text, `Up 5 seconds (healthy)`, so that looking at a
host never costs a call per container.
"""

import re
from collections.abc import Mapping
from typing import Any

from reconciler.core.observed import Health, Instance, Phase
from reconciler.engines import commands

_HEALTH = {
    "(healthy)": Health.HEALTHY,
    "(unhealthy)": Health.UNHEALTHY,
    "(health: starting)": Health.STARTING,
}
_EXIT_CODE = re.compile(r"Exited \((\d+)\)")
_PHASE = {"created": Phase.CREATED, "exited": Phase.EXITED, "dead": Phase.EXITED}

Entry = Mapping[str, Any]


def name(entry: Entry) -> str:
    """The container's own name, not the names its links gave it."""
    return str(next(n for n in entry["Names"] if n.count("/") == 1)).removeprefix("/")


def label(entry: Entry, key: str) -> str:
    """One of our labels; empty when the container has none such."""
    return str((entry.get("Labels") or {}).get(f"{commands.LABEL}.{key}", ""))


def is_running(entry: Entry) -> bool:
    return bool(entry["State"] == "running")


def instance(entry: Entry) -> Instance:
    """A runtime container as an instance."""
    phase = _PHASE.get(entry["State"], Phase.RUNNING)
    exit_code = _EXIT_CODE.search(entry["Status"])
    return Instance(
        name=name(entry),
        host=label(entry, "host"),
        deployment=label(entry, "deployment"),
        model=label(entry, "model"),
        version=int(label(entry, "version")),
        digest=label(entry, "digest"),
        spec_hash=label(entry, "spec"),
        commit=label(entry, "commit"),
        phase=phase,
        health=_health(entry) if phase is Phase.RUNNING else Health.NONE,
        drift=drift(entry),
        exit_code=int(exit_code[1]) if exit_code and phase is Phase.EXITED else None,
    )


def drift(entry: Entry) -> str:
    """What somebody did to a container that runs, so that it answers nobody."""
    if entry["State"] == "paused":
        return "is paused"
    networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    if is_running(entry) and commands.NETWORK not in networks:
        return f"is cut off from the network {commands.NETWORK}"
    return ""


def _health(entry: Entry) -> Health:
    """A paused or ever restarting container is running in name only."""
    if not is_running(entry):
        return Health.UNHEALTHY
    known = (health for text, health in _HEALTH.items() if text in entry["Status"])
    return next(known, Health.NONE)
