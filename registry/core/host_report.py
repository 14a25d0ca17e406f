"""How much of a host's report there may be: both who tells and who keeps it go by this. Pure."""

from collections.abc import Mapping

from registry.core.canonical import Json

# Of one instance, of all of one deployment on one host, and of all on one host.
INSTANCE_BYTES = 64 << 10
DEPLOYMENT_BYTES = 128 << 10
HOST_BYTES = 512 << 10
# Of one deployment on all of its hosts.
FLEET_BYTES = 8 << 20
LINES = 1000
INSTANCES = 500
# The longest line that `plimsoll logs` shows has 4000 characters.
LINE = 4001
# What is not told again is forgotten.
KEPT_S = 24 * 3600.0


def size(line: str) -> int:
    """What a line counts: its bytes and its end."""
    return len(line.encode(errors="replace")) + 1


def total(document: Mapping[str, Json], field: str) -> float | None:
    """What all instances of a report come to, or the process that they share; None where that is
    not known of one of them. Limits are always each instance's own."""
    listed = document.get("instances")
    instances = listed if isinstance(listed, list) else []
    found = [one.get(field) for one in instances if isinstance(one, dict)]
    shared = document.get("together")
    if isinstance(shared, dict) and field not in ("memoryLimit", "cpuLimit"):
        found = [shared.get(field)]
    numbers = [float(one) for one in found if isinstance(one, int | float)]
    return sum(numbers) if len(numbers) == len(found) else None
