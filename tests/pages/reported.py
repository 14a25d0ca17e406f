"""What hosts of the lived-in registry told of themselves: one of all, one that keeps its lines, one
whose engine can count little. And lines that nobody would want to be more than text."""

from registry.core.canonical import Json
from registry.usecases import host_reports
from registry.usecases.access import Caller, Role
from registry.usecases.host_reports import Report, Written
from registry.usecases.opening import Registry

LOOP = Caller(Role.RECONCILER, "loop")
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=alert(1)>",
    "</pre></details><h1>not yours</h1>",
    "\x1b[31mred\x1b[0m \x1b]0;owned\x07 \u202egnihton \x00",
    "{{ caller }} {% raw %} &lt;b&gt;",
)
_GIB = 1 << 30


def tell(registry: Registry) -> None:
    """All of them."""
    half = 512 << 20
    one = [
        _instance("production/digits", 3, (412 << 20, 0.31), (half, 1.0)),
        _instance("production/fraud", 8, (498 << 20, 1.2), (half, 2.0)),
        _instance("production/ranking", 2, (120 << 20, 0.02), (_GIB, 1.0)),
    ]
    written = [
        Written("digits-1", "production", "digits", "digits", 3, _LINES),
        Written("digits-old", "production", "digits", "digits", 2, HOSTILE),
    ]
    declared: Json = {"memoryBytes": 3 * _GIB, "cpus": 4.0}
    _tell(registry, "edge-1", one, written=written, declared=declared)
    _tell(registry, "edge-2", one[:1])
    swarm = [_instance("production/digits", 3, (None, None), (half, 1.0))]
    _tell(registry, "edge-3", swarm, unknown="a Swarm's manager does not say what its tasks hold")


_LINES = tuple(
    f"2026-11-29T10:{number // 60:02}:{number % 60:02}Z info answered digits@3 rows=1 ms=0.{number}"
    for number in range(90)
)


def _tell(
    registry: Registry,
    host: str,
    instances: list[Json],
    *,
    written: list[Written] | None = None,
    declared: Json = None,
    unknown: str = "",
) -> None:
    document: dict[str, Json] = {
        "memoryBytes": 4 * _GIB,
        "cpus": 4.0,
        "declared": declared,
        "together": None,
        "unknown": unknown,
        "instances": instances,
    }
    report = Report(document, 200 if written else 0, written or ())
    host_reports.tell(registry, host, report, by=LOOP)


def _instance(
    deployment: str, version: int, held: tuple[int | None, float | None], limit: tuple[int, float]
) -> Json:
    return {
        "name": f"plimsoll-{deployment.replace('/', '-')}",
        "deployment": deployment,
        "model": deployment.partition("/")[2],
        "version": version,
        "memoryBytes": held[0],
        "cpus": held[1],
        "memoryLimit": limit[0],
        "cpuLimit": limit[1],
    }
