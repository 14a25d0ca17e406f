"""The first page: how the fleet stands, what needs somebody, what is under way, what happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from registry.core import standing
from registry.db.fleet import Wanted
from registry.pages import charts, deployed, rendering, views
from registry.pages.charts import Segment
from registry.pages.views import Status
from registry.usecases import catalogue, fleet, log
from registry.usecases.fleet import Glance
from registry.usecases.opening import Registry

router = APIRouter(include_in_schema=False)

_LATEST = 10
_WORST = 8
_GOOD = {"sync": "Synced", "health": "Healthy", "trust": "Verified"}


@dataclass(frozen=True, slots=True)
class Counted:
    """How many deployments have a status, and the list of them."""

    status: Status
    count: int
    href: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the three statuses over the whole fleet; `worst` gives the tile its icon."""

    subject: str
    worst: Status
    good: int
    total: int
    counts: tuple[Counted, ...]


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment: how many deployments, and how many of them are as they should be."""

    name: str
    total: int
    health: tuple[Counted, ...]
    synced: int
    verified: int


@router.get("/")
def overview(request: Request) -> Response:
    registry: Registry = request.app.state.registry
    now, scope = datetime.now(UTC), request.state.caller.scope
    seen = fleet.glance(registry, scope)
    worst = fleet.page(registry, scope, Wanted(), limit=_WORST).items
    moving = fleet.page(registry, scope, Wanted(health="Progressing"), limit=_WORST).items
    latest = catalogue.latest(registry, limit=_LATEST)
    return rendering.page(
        request,
        "overview.html",
        total=seen.total,
        tiles=[_tile(subject, seen) for subject in standing.SUBJECTS],
        environments=[_environment(name, by) for name, by in seen.environments.items()],
        attention=[
            deployed.row(row, now) for row in worst if row.severity <= standing.Severity.WARN
        ],
        under_way=[deployed.row(row, now) for row in moving],
        entries=[views.entry(one, now) for one in latest],
        log_size=log.size(registry),
        now=now,
        drawn={
            "bars": _bars(seen.statuses),
            "health_bars": {
                name: charts.shares(by["health"]) for name, by in seen.environments.items()
            },
        },
    )


def _bars(statuses: Mapping[str, Mapping[str, int]]) -> dict[str, tuple[Segment, ...]]:
    return {subject: charts.shares(words) for subject, words in statuses.items()}


def _tile(subject: str, seen: Glance) -> Tile:
    words = seen.statuses[subject]
    worst = min(words, key=standing.severity, default="Unknown")
    return Tile(
        subject,
        Status(subject, worst, views.tone(worst) if words else "quiet"),
        words.get(_GOOD[subject], 0),
        seen.total,
        _counts(subject, words),
    )


def _environment(name: str, by: Mapping[str, Mapping[str, int]]) -> Environment:
    return Environment(
        name,
        sum(by["health"].values()),
        _counts("health", by["health"], environment=name),
        by["sync"].get("Synced", 0),
        by["trust"].get("Verified", 0),
    )


def _counts(subject: str, words: Mapping[str, int], **also: str) -> tuple[Counted, ...]:
    """The worst first, each with the address of the list of them."""
    ordered = sorted(words, key=lambda word: (standing.severity(word), word))
    return tuple(
        Counted(
            Status(subject, word, views.tone(word)),
            words[word],
            f"/deployments?{urlencode({**also, subject: word})}",
        )
        for word in ordered
        if words[word]
    )
