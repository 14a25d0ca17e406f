"""What podman's Docker API takes otherwise than Docker does: how ports are published. Pure."""

from collections.abc import Mapping
from typing import Any

_ENGINE = "Podman Engine"
_ANYWHERE = "0.0.0.0"  # noqa: S104  what is looked for, not where we listen


def is_podman(version: Mapping[str, Any]) -> bool:
    """Whether this answer to `GET /version` is podman's."""
    parts = version.get("Components") or []
    return any(part.get("Name") == _ENGINE for part in parts)


def adapted(body: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with ports published everywhere by saying nothing of where.

    Podman 4 forwards only what is sent to 0.0.0.0 itself, and so nothing, where that is named.
    """
    config = body["HostConfig"]
    bindings = {
        port: [one | {"HostIp": ""} if one.get("HostIp") == _ANYWHERE else one for one in ends]
        for port, ends in config.get("PortBindings", {}).items()
    }
    return {**body, "HostConfig": {**config, **({"PortBindings": bindings} if bindings else {})}}
