"""An update of one service of a Swarm, and how it ended: task by task, until it is through."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from reconciler.engines import wire

_PATIENCE_S = 180.0
_Api: TypeAlias = Any  # docker's own types know nothing of its calls for Swarms


def apply(api: _Api, service: str, spec: Mapping[str, Any]) -> None:
    """With the version of this moment: an update in progress has counted it up."""
    version = api.inspect_service(service)["Version"]["Index"]
    api.update_service(
        service,
        version,
        task_template=spec["TaskTemplate"],
        name=spec["Name"],
        labels=spec["Labels"],
        mode=spec["Mode"],
        update_config=spec["UpdateConfig"],
        endpoint_spec=spec["EndpointSpec"],
    )


def outcome(api: _Api, service: str) -> str | None:
    """None once the update is complete; else why it stopped."""
    found: dict[str, Any] = {}

    def is_over() -> bool:
        found.update(api.inspect_service(service).get("UpdateStatus") or {})
        return found.get("State") in ("completed", "paused")

    if not wire.until(is_over, timeout=_PATIENCE_S, every=0.3):
        return f"not through after {_PATIENCE_S:g} s"
    return None if found["State"] == "completed" else str(found.get("Message", "paused"))
