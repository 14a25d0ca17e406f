"""How long the server takes for each page, where fleet and catalogue are large.

The fleet is put into the database past the API, as reports would have left it: three hosts a
deployment, one deployment in fifty sick, one in a thousand with an experiment.
"""

import statistics
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from sqlalchemy import insert

from bench import figures, models, population, publishing, registries, repeating, seeding
from bench.figures import Row
from registry.core import standing
from registry.core.canonical import Json
from registry.db import engine
from registry.db.tables_log import Deployment, DeploymentHost

_AREA = "pages"
_DEPLOYMENTS, _VERSIONS, _HOSTS = 10_000, 100_000, 2_000
_PROTOTYPE = ("prototype", 1)
_BATCH = 1000
_TURNS = 20
_SLOWEST_MS = 300.0
_MIDDLE = _VERSIONS // 2
PAGES = (
    "/",
    "/deployments",
    "/deployments?health=Degraded",
    "/deployments?name=d09",
    "/deployments/production/d00050",
    "/hosts",
    "/hosts/host-0001",
    "/experiments",
    "/promotions",
    "/policies",
    "/models",
    "/models?filter=tags.team+%3D+%27team-07%27",
    "/models/model-0001",
    "/models/model-0001/versions/50",
    "/models/model-0001/compare?a=49&b=50",
    "/log",
    "/log?kind=published&model=model-0001",
    "/log?until=2025-02-01T00:00",
    "/log?actor=reconciler%3Abench",
    "/log?actor=bench&host=host-0001&kind=deployed",
    "/log?deployment=production%2Fd00050",
    "/log?actor=nobody&kind=deployed&since=2025-02-01T00:00",
    f"/log/entry/{_MIDDLE}",
)


def rows(folder: Path) -> Generator[Row, None, None]:
    """The 95th percentile of the slowest page, and the median of the first page."""
    installation = registries.installed(folder)
    with registries.started(installation) as registry:
        with registry.client() as client:
            files = publishing.upload(client, models.onnx(folder, seed=1))
            name, version = _PROTOTYPE
            body = publishing.body(registry, files, model=name, version=version, form="onnx")
            client.publish(name, body)
        key = installation.data / "keys" / "log.pem"
        members = population.members(0, _VERSIONS)
        seeding.fill(installation.database_url, key, members, like=_PROTOTYPE)
        _fill(installation.database_url)
        _tell(registry)
        headers = registry.headers | {"Accept": "text/html"}
        with httpx2.Client(base_url=registry.url, headers=headers, timeout=60) as browser:
            taken = {path: _seconds(browser, path) for path in PAGES}
    p95 = {path: _p95(seconds) * 1e3 for path, seconds in taken.items()}
    slowest = max(p95, key=lambda path: p95[path])
    about = f"{_DEPLOYMENTS:,} deployments and {_VERSIONS:,} versions"
    yield Row(
        _AREA,
        f"the slowest of {len(PAGES)} pages at {about}, p95",
        p95[slowest],
        "ms",
        f"it is {slowest}",
        bar=figures.under(_SLOWEST_MS),
    )
    yield Row(_AREA, f"the overview at {about}", statistics.median(taken["/"]) * 1e3, "ms")


def _tell(registry: registries.Running) -> None:
    """What a reconciler would have told of the fleet: two entries a deployment."""
    events = [
        {
            "id": f"{kind} {number}", "kind": kind,
            "model": population.name(number % population.MODELS), "version": 50,
            "host": f"host-{number % _HOSTS:04}",
            "deployment": f"{_environment(number)}/d{number:05}",
            "commit": f"{number:040x}",
        }
        for number in range(_DEPLOYMENTS)
        for kind in ("started", "deployed")
    ]  # fmt: skip
    with httpx2.Client(base_url=registry.url, headers=registry.headers, timeout=60) as client:
        for start in range(0, len(events), _BATCH):
            body = {"events": events[start : start + _BATCH]}
            client.post("/v1/events/batch", json=body).raise_for_status()


def _seconds(browser: httpx2.Client, path: str) -> list[float]:
    """Of whole answers; the first is not counted, for it also compiles the template."""
    answer = browser.get(path)
    answer.raise_for_status()
    return [repeating.seconds(lambda: browser.get(path)) for _ in range(_TURNS)]


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


def _fill(database: str) -> None:
    """Every deployment with its document and its hosts."""
    opened = engine.connect(database)
    try:
        for start in range(0, _DEPLOYMENTS, _BATCH):
            numbers = range(start, start + _BATCH)
            with opened.writing() as session:
                session.execute(insert(Deployment), [_row(number) for number in numbers])
                on_hosts = [row for number in numbers for row in _host_rows(number)]
                session.execute(insert(DeploymentHost), on_hosts)
                session.commit()
    finally:
        opened.close()


def _row(number: int) -> dict[str, object]:
    document = _document(number)
    stands = standing.of(document)
    return {
        "environment": _environment(number),
        "name": f"d{number:05}",
        "document": document,
        "updated_by": "reconciler:bench",
        "updated_at": datetime.now(UTC),
        "model": stands.model,
        "sync": stands.sync,
        "health": stands.health,
        "trust": stands.trust,
        "severity": int(stands.severity),
        "experiment": standing.experiment(document),
        "promotion": "",
    }


def _host_rows(number: int) -> list[dict[str, object]]:
    key = {"environment": _environment(number), "name": f"d{number:05}"}
    return [
        key
        | {field: getattr(one, field) for field in one.__slots__}
        | {"severity": int(one.severity)}
        for one in standing.on_hosts(_document(number))
    ]


def _environment(number: int) -> str:
    return "staging" if number % 5 == 1 else "production"


def _document(number: int) -> dict[str, Json]:
    wanted: dict[str, Json] = {
        "model": population.name(number % population.MODELS),
        "version": 50,
        "digest": f"sha256:{number:064x}",
        "commit": f"{number:040x}",
    }
    health = "Degraded" if number % 50 == 0 else "Healthy"
    reason = "version 50 exited with code 137, out of memory" if health == "Degraded" else ""
    hosts: list[Json] = [
        {
            "host": f"host-{(number * 3 + each) % _HOSTS:04}",
            "sync": "Synced", "health": health, "trust": "Verified", "reason": reason,
            "trustReason": "", "serving": {**wanted, "instance": f"d{number}"}, "stage": "settled",
        }
        for each in range(3)
    ]  # fmt: skip
    trial: Json = {"name": f"trial-{number}", "state": "running", "metrics": [], "variants": []}
    return {
        "commit": wanted["commit"],
        "desired": wanted,
        "sync": {"status": "Synced", "reason": ""},
        "health": {"status": health, "reason": reason},
        "trust": {"status": "Verified", "reason": ""},
        "hosts": hosts,
        "quarantined": [], "rollout": None, "next": [], "waiting": [],
        "experiment": trial if number % 1000 == 7 else None,
    }  # fmt: skip
