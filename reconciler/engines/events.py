"""Docker's events about what is ours on one host, in words.

Health checks that come and go every few seconds are not asked for: only what ends, stops,
changes or loses a container of ours, its network, or the engine's word on its health.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.engines import commands
from reconciler.engines.transport import Listening

_CONTAINER = ("die", "oom", "pause", "unpause", "start", "rename", "update", "destroy")
# Podman answers in Docker's words, and is to be asked in its own.
_PODMAN = ("died", "remove")
FILTERS = {
    "type": ["container", "network"],
    "event": [*_CONTAINER, *_PODMAN, "health_status", "connect", "disconnect"],
}


class Changes:
    """Those of `listening` that concern `host`; `updated` is called for one of `docker update`."""

    def __init__(self, host: str, listening: Listening, *, updated: Callable[[], None]) -> None:
        self._host = host
        self._updated = updated
        self._listening = listening

    def __iter__(self) -> Iterator[str]:
        for line in self._listening:
            if words := told(line, self._host):
                if words.endswith(" update"):
                    self._updated()
                yield words

    def close(self) -> None:
        self._listening.close()


def told(line: bytes, host: str) -> str:
    """What the event of one line says; empty when it is about nothing of ours on `host`.

    An event that cannot be read is a change too: a look too many costs little.
    """
    try:
        event = json.loads(line)
        attributes = event["Actor"]["Attributes"] or {}
        what = f"{event['Type']} {attributes.get('name', '')} {event['Action']}"
    except (ValueError, KeyError, TypeError):
        return "an event that cannot be read"
    return what if _is_ours(event, attributes, host) else ""


def _is_ours(event: Mapping[str, Any], attributes: Mapping[str, Any], host: str) -> bool:
    """Events of networks do not carry the labels of the container that came or went."""
    if event["Type"] == "network":
        return bool(attributes.get("name") == commands.NETWORK)
    return bool(attributes.get(f"{commands.LABEL}.host") == host)
