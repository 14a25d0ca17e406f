"""What containers hold, as a Docker Engine counts it: one answer for each that runs, at once.

`one-shot` spares the engine the second that it else waits to give a rate: we make that of two looks
that are far apart. Podman answers in the same form. A container that ends while we ask, or whose
kernel counts nothing, is unknown.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import docker
import docker.errors

from reconciler.core.usage import Resources, Usage
from reconciler.engines import limits, listing
from registry import errors

_NANO = 1e9
_UNCOUNTED = "the engine's kernel does not count {} by cgroup"


def resources(api: docker.APIClient, runtimes: Sequence[listing.Entry]) -> Resources:
    """What the engine's machine has, and what each of `runtimes` holds of it."""
    about = api.info()
    running = {listing.name(one): one for one in runtimes if listing.is_running(one)}
    used = {name: _usage(api, name, entry) for name, entry in running.items()}
    return Resources(
        memory_bytes=int(about.get("MemTotal") or 0) or None,
        cpus=float(about.get("NCPU") or 0) or None,
        used=used,
        unknown=_unknown(used),
    )


def memory(api: docker.APIClient, instance: str) -> int:
    """As `docker stats` shows it: without files that the kernel keeps for later."""
    found = _held(api.stats(instance, stream=False, one_shot=True))
    if found is None:
        raise errors.EngineRefused(
            f"the engine does not say how much memory {instance} holds",
            fix="see that it runs, and that the engine's kernel counts memory by cgroup",
        )
    return found


def _usage(api: docker.APIClient, name: str, entry: listing.Entry) -> Usage:
    told: Mapping[str, Any] = {}
    with contextlib.suppress(docker.errors.APIError):
        told = api.stats(name, stream=False, one_shot=True)
    wanted = limits.wanted(entry)
    nanocpus = wanted.get("NanoCpus")
    return Usage(
        memory_bytes=_held(told),
        cpu_seconds=_taken(told),
        memory_limit=wanted.get("Memory"),
        cpu_limit=nanocpus / _NANO if nanocpus else None,
    )


def _held(told: Mapping[str, Any]) -> int | None:
    usage = told.get("memory_stats") or {}
    if not usage.get("usage"):
        return None
    counted = usage.get("stats") or {}
    idle = counted.get("total_inactive_file", counted.get("inactive_file", 0))
    return max(int(usage["usage"]) - int(idle), 0)


def _taken(told: Mapping[str, Any]) -> float | None:
    total = ((told.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
    return int(total) / _NANO if total else None


def _unknown(used: Mapping[str, Usage]) -> str:
    missing = [
        what
        for what, name in (("memory", "memory_bytes"), ("processor time", "cpu_seconds"))
        if used and all(getattr(one, name) is None for one in used.values())
    ]
    return _UNCOUNTED.format(" and ".join(missing)) if missing else ""
