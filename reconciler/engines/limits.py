"""What `docker update` changes on a container that runs: its limits, and whether it comes back.

The engine's list does not show them. Each container is inspected when it is new or something
was updated, and one of the others at each look, so that a look costs one call more, not many.
A limit that the engine shows as 0 is one that its kernel cannot keep: that is no drift.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import docker
import docker.errors

from reconciler.engines import commands, listing
from reconciler.engines.transport import Connection

_AT_ONCE = 25


class Limits:
    """Of one host's containers; what was seen is remembered by container."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}
        self._turn = 0
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Something was updated: inspect them all again."""
        with self._lock:
            self._seen = {}

    def drifts(self, api: docker.APIClient, entries: Sequence[listing.Entry]) -> dict[str, str]:
        """What differs from what was set, by container; without those that are as they should."""
        present = {str(entry["Id"]): entry for entry in entries}
        with self._lock:
            self._seen = {one: words for one, words in self._seen.items() if one in present}
            self._turn += 1
            fresh = [one for one in present if one not in self._seen][:_AT_ONCE]
            known = sorted(self._seen)
            again = [known[self._turn % len(known)]] if known else []
        found = {one: _look(api, present[one]) for one in (*fresh, *again)}
        with self._lock:
            self._seen |= found
            return {one: words for one, words in self._seen.items() if words}


def mend(connection: Connection, api: docker.APIClient, entry: listing.Entry) -> None:
    """Set the limits as they were at first; nothing is restarted by that."""
    if _look(api, entry):
        connection.update(api, str(entry["Id"]), _update(entry))


def _look(api: docker.APIClient, entry: listing.Entry) -> str:
    try:
        found = api.inspect_container(entry["Id"])
    except docker.errors.NotFound:
        return ""
    return differs(found["HostConfig"], wanted(entry))


def wanted(entry: listing.Entry) -> dict[str, int]:
    """The limits that our labels name, in the engine's words."""
    found = {
        "Memory": int(listing.label(entry, "memory") or 0),
        "NanoCpus": int(listing.label(entry, "nanocpus") or 0),
        "PidsLimit": int(listing.label(entry, "pids") or 0),
    }
    return {name: value for name, value in found.items() if value}


def differs(config: Mapping[str, Any], limits: Mapping[str, int]) -> str:
    """In words, how `config` is not what was set; empty where it is."""
    found = [
        f"{name} {config[name]} instead of {value}"
        for name, value in limits.items()
        if config.get(name) not in (0, None, value)
    ]
    policy = (config.get("RestartPolicy") or {}).get("Name")
    if policy != commands.RESTART_POLICY:
        found.append(f"restart policy {policy!r} instead of {commands.RESTART_POLICY!r}")
    return f"has other limits than were set: {', '.join(found)}" if found else ""


def _update(entry: listing.Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"RestartPolicy": {"Name": commands.RESTART_POLICY}, **wanted(entry)}
    if "Memory" in found:
        found["MemorySwap"] = found["Memory"]
    return found
