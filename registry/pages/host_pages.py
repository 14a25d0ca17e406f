"""Hosts: who they are, when they were last heard of, and what runs there."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from registry.core import standing
from registry.db.fleet_hosts import Seen
from registry.db.tables_log import DeploymentHost
from registry.pages import charts, deployed, host_resources, rendering, views
from registry.pages.deployed import Version
from registry.pages.views import Moment, Status
from registry.pages.wording import phrase
from registry.usecases import fleet_hosts, host_reports
from registry.usecases.opening import Registry

router = APIRouter(include_in_schema=False)

Token = Annotated[str, Query(max_length=4000)]


@dataclass(frozen=True, slots=True)
class Host:
    """`heard` is when its agent, or a report that names it, last came."""

    name: str
    identity: Status
    enrolled: Moment | None
    certificate_until: Moment | None
    recipient: str
    agent: str
    heard: Moment | None
    count: int
    health: tuple[Status, ...]
    trust: tuple[Status, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """A deployment there, and what serves of it."""

    environment: str
    name: str
    serving: Version
    statuses: tuple[Status, ...]


@router.get("/hosts")
def listed(request: Request, page: Token = "") -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    found = fleet_hosts.page(registry, token=page)
    return rendering.page(
        request,
        "hosts.html",
        hosts=[_host(seen, now) for seen in found.items],
        next_page=rendering.address(request, page=found.token) if found.token else None,
        now=now,
        drawn={
            "is_first": not page,
            "bars": {seen.name: charts.shares(_healths(seen)) for seen in found.items},
        },
    )


@router.get("/hosts/{host}")
def one(request: Request, host: Annotated[str, Path(max_length=128)], page: Token = "") -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    seen, running = fleet_hosts.one(registry, host, token=page)
    has = host_resources.resources(host_reports.of_host(registry, host), now)
    return rendering.page(
        request,
        "host.html",
        host=_host(seen, now),
        resources=has,
        deployments=[_running(row) for row in running.items],
        next_page=rendering.address(request, page=running.token) if running.token else None,
        now=now,
        drawn={
            "is_first": not page,
            "bars": host_resources.bars(has),
            "amount": host_resources.amount,
        },
    )


def _host(seen: Seen, now: datetime) -> Host:
    enrolled = seen.enrolled
    moments = [at for at in (seen.agent and seen.agent[0], seen.reported_at) if at is not None]
    until = enrolled.certificate_until if enrolled else None
    return Host(
        name=seen.name,
        identity=_identity(seen, now),
        enrolled=views.moment(enrolled.enrolled_at, now) if enrolled else None,
        certificate_until=views.moment(until, now) if until else None,
        recipient=enrolled.recipient if enrolled else "",
        agent=seen.agent[1] if seen.agent else "",
        heard=views.moment(max(moments), now) if moments else None,
        count=sum(seen.deployments.values()),
        health=_words("health", _healths(seen)),
        trust=_words("trust", _trusts(seen)),
    )


def _identity(seen: Seen, now: datetime) -> Status:
    host = seen.enrolled
    if host is None:
        never = phrase("it never enrolled: it calls with a token")
        return Status("identity", phrase("by token"), "quiet", never)
    if host.revoked_at is not None:
        return Status("identity", phrase("revoked"), "bad", views.moment(host.revoked_at, now).age)
    if host.certificate_until is not None and host.certificate_until < now:
        return Status("identity", phrase("certificate ended"), "warn")
    return Status("identity", phrase("enrolled"), "good")


def _words(subject: str, words: Counter[str]) -> tuple[Status, ...]:
    """The worst first, with their number for a reason."""
    return tuple(
        Status(subject, word, views.tone(word), f"{words[word]}")
        for word in sorted(words, key=lambda one: (standing.severity(one), one))
    )


def _healths(seen: Seen) -> Counter[str]:
    found = Counter[str]()
    for (health, _), count in seen.deployments.items():
        found[health] += count
    return found


def _trusts(seen: Seen) -> Counter[str]:
    found = Counter[str]()
    for (_, trust), count in seen.deployments.items():
        found[trust] += count
    return found


def _running(row: DeploymentHost) -> Running:
    serving = deployed.version({"model": row.model, "version": row.version} if row.version else {})
    return Running(
        row.environment,
        row.name,
        serving,
        tuple(
            Status(subject, word, views.tone(word))
            for subject in standing.SUBJECTS
            if (word := getattr(row, subject))
        ),
    )


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry
