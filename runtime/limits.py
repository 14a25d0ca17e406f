"""How much one runtime takes on: sizes, times and counts."""

from dataclasses import dataclass

from registry.core import fields
from registry.core.canonical import Json
from registry.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Limits:
    """`body_bytes` of one request, `bodies_bytes` of all together, 0 for eight of the largest;
    `deadline_seconds` from a request's first byte to its answer; `queue` requests inside the
    engine or waiting for it; `keep_versions` in the cache; `memory_bytes` for this process, 0 for
    what the system gives it; `connections` open at once, of which an idle one is kept for
    `keep_alive_seconds`: longer than the proxy before it keeps one, or that sends a request into a
    connection that is closing (Traefik: 90). `pull_connections` bring one large file of a
    version."""

    body_bytes: int = 64 * 1024 * 1024
    bodies_bytes: int = 0
    deadline_seconds: int = 30
    queue: int = 256
    keep_versions: int = 4
    memory_bytes: int = 0
    connections: int = 4096
    keep_alive_seconds: int = 120
    pull_connections: int = 4

    @property
    def room(self) -> int:
        """Bytes for all bodies together."""
        return self.bodies_bytes or _BODIES * self.body_bytes

    def document(self) -> dict[str, Json]:
        """What `read` reads."""
        return {name: getattr(self, field) for name, field in _FIELDS.items()}


_BODIES = 8
# Here 0 has a meaning of its own.
_OPTIONAL = {"memory_bytes", "bodies_bytes"}
_FIELDS = {
    "bodyBytes": "body_bytes",
    "bodiesBytes": "bodies_bytes",
    "deadlineSeconds": "deadline_seconds",
    "queue": "queue",
    "keepVersions": "keep_versions",
    "memoryBytes": "memory_bytes",
    "connections": "connections",
    "keepAliveSeconds": "keep_alive_seconds",
    "pullConnections": "pull_connections",
}


def read(document: dict[str, Json], *, what: str) -> Limits:
    """The field `limits`, which may be left out; raises `InvalidInput`."""
    if "limits" not in document:
        return Limits()
    given, where = fields.mapping(document, "limits", what=what), f"{what}: limits"
    fields.refuse_unknown(given, _FIELDS, what=where)
    found = {_FIELDS[name]: fields.integer(given, name, what=where) for name in given}
    for name, value in found.items():
        if value < 0 or (value == 0 and name not in _OPTIONAL):
            raise InvalidInput(f"{where}: {name!r} must be above zero, found {value}")
    limits = Limits(**found)
    if limits.room < limits.body_bytes:
        raise InvalidInput(
            f"{where}: 'bodiesBytes' {limits.room} has no room for one body of 'bodyBytes' "
            f"{limits.body_bytes}"
        )
    return limits
