"""Deployments: the list, and one with all that is known of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from registry.core import history as histories
from registry.core.canonical import Json
from registry.core.entries import Entry, Kind
from registry.core.history import Asked
from registry.core.standing import SEVERITIES
from registry.db import tables_log
from registry.db.fleet import Wanted
from registry.pages import asked as asking
from registry.pages import charts, deployed, last_lines, rendering, trials, views
from registry.pages.charts import Measured
from registry.usecases import catalogue, fleet, history, host_reports, scoping
from registry.usecases.catalogue import Logged
from registry.usecases.opening import Registry

router = APIRouter(include_in_schema=False)

_HOSTS = 25
_EVENTS = 25
_LOOKED_AT = 200
_TONES = {
    "serving": "good",
    "under way": "busy",
    "refused": "bad",
    "failed": "bad",
    "quarantined": "bad",
    "rolled back": "warn",
}
_WORDS = tuple(sorted(SEVERITIES))

Word = Annotated[str, Query(max_length=32)]
Name = Annotated[str, Query(max_length=128)]
Slug = Annotated[str, Path(max_length=128)]
Token = Annotated[str, Query(max_length=4000)]
Before = Annotated[int | None, Query(ge=0, lt=2**62)]


@dataclass(frozen=True, slots=True)
class Chapter:
    """One version that was asked for, and what became of it."""

    version: int
    digest: str
    outcome: views.Status
    since: views.Moment
    seconds: float | None
    commit: str
    by: str
    hosts: int
    reason: str
    index: int


def asked(
    environment: Name = "", name: Name = "", sync: Word = "", health: Word = "", trust: Word = ""
) -> Wanted:
    """Which deployments a list shall show."""
    return Wanted(environment, sync, health, trust, name)


@router.get("/deployments")
def listed(
    request: Request, wanted: Annotated[Wanted, Depends(asked)], page: Token = ""
) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    found = fleet.page(registry, request.state.caller.scope, wanted, token=page)
    return rendering.page(
        request,
        "deployments.html",
        deployments=[deployed.row(row, now) for row in found.items],
        filter={
            "name": wanted.name,
            "environment": wanted.environment,
            "sync": wanted.sync,
            "health": wanted.health,
            "trust": wanted.trust,
        },
        next_page=rendering.address(request, page=found.token) if found.token else None,
        now=now,
        drawn={
            "is_first": not page,
            "choices": {
                "sync": ("Synced", "OutOfSync", "Unknown"),
                "health": tuple(word for word in _WORDS if word in _HEALTHS),
                "trust": ("Verified", "Unverified", "Refused"),
            },
        },
    )


_HEALTHS = frozenset(SEVERITIES) - {"Synced", "OutOfSync", "Verified", "Unverified", "Refused"}


@router.get("/deployments/{environment}/{name}")
def one(
    request: Request,
    environment: Slug,
    name: Slug,
    before: Before = None,
    hosts: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    found = catalogue.deployment(registry, environment, name)
    scoping.require(registry, request.state.caller, catalogue.model_of(found))
    told = history.of_deployment(registry, f"{environment}/{name}", before=before, limit=_LOOKED_AT)
    entries = _entries(told.entries)
    shown = entries[:_EVENTS]
    older = shown[-1].index if len(entries) > len(shown) else told.before
    everywhere = deployed.hosts(found.document)
    here = everywhere[(hosts - 1) * _HOSTS : hosts * _HOSTS]
    row = deployed.row(found, now)
    return rendering.page(
        request,
        "deployment.html",
        deployment=row,
        why_not=deployed.why_not(found.document),
        hosts=here,
        host_count=len(everywhere),
        next_hosts=_more(request, everywhere, hosts),
        git=_git(found),
        next_steps=_next(found),
        requests=asking.of(request, environment, name, now),
        experiment=trials.of(found.document, now),
        history=_history(entries, now),
        last_lines=_last_lines(request, found, [one.name for one in here], now),
        events=[views.entry(logged, now) for logged in shown],
        older=rendering.address(request, before=older) if older else None,
        now=now,
        drawn=_drawn(request, found, entries, row)
        | {"is_newest": before is None, "hosts_page": hosts},
    )


def _drawn(
    request: Request, found: tables_log.Deployment, entries: Sequence[Logged], row: deployed.Row
) -> dict[str, object]:
    return {"chart": _chart(entries, row), "buttons": asking.buttons(request, found)}


def _entries(told: Iterable[tuple[int, dict[str, Json]]]) -> list[Logged]:
    """Those that can be read."""
    return [
        Logged(index, entry)
        for index, document in told
        if (entry := histories.entry_of(document)) is not None
    ]


def _last_lines(
    request: Request, found: tables_log.Deployment, hosts: Sequence[str], now: datetime
) -> last_lines.LastLines:
    """On these hosts; a document may name one twice."""
    names, by = list(dict.fromkeys(hosts)), request.state.caller
    told = host_reports.of_deployment(_registry(request), found.environment, found.name, names, by)
    return last_lines.last_lines(told, names, now)


def _more(request: Request, everywhere: Sequence[object], page: int) -> str | None:
    return rendering.address(request, hosts=page + 1) if len(everywhere) > page * _HOSTS else None


def _git(found: tables_log.Deployment) -> dict[str, str | bool]:
    said = views.mapping(found.document.get("git"))
    return {
        "commit": views.text(found.document, "commit"),
        "signer": views.text(said, "signer"),
        "author": views.text(said, "author"),
        "verified": said.get("verified") is True,
    }


def _next(found: tables_log.Deployment) -> list[dict[str, str]]:
    """What the reconciler does next, where and why."""
    return [
        {name: views.text(item, name) for name in ("place", "verb", "text")}
        for item in views.mappings(found.document.get("next"))[:_HOSTS]
    ]


def _history(entries: Sequence[Logged], now: datetime) -> list[Chapter]:
    asked = histories.of((logged.index, logged.entry) for logged in reversed(entries))
    return [_chapter(one, now) for one in reversed(asked)]


def _chapter(asked: Asked, now: datetime) -> Chapter:
    word = asked.outcome.value
    return Chapter(
        version=asked.version,
        digest=asked.digest,
        outcome=views.Status("outcome", word, _TONES.get(word, "quiet")),
        since=views.moment(datetime.fromisoformat(asked.since), now),
        seconds=asked.seconds,
        commit=asked.commit,
        by=asked.by,
        hosts=len(asked.hosts),
        reason=asked.reason,
        index=asked.index,
    )


def _chart(entries: Sequence[Logged], row: deployed.Row) -> charts.Steps | None:
    """Weights and checks of the version that is asked for, in the log's order."""
    about = [
        logged.entry
        for logged in reversed(entries)
        if (logged.entry.version, logged.entry.digest) == (row.wanted.number, row.wanted.digest)
    ]
    found = [one for entry in about if (one := _measured(entry)) is not None]
    return charts.steps(found[-40:])


def _measured(entry: Entry) -> Measured | None:
    match entry.kind:
        case Kind.SHIFTED:
            weight = entry.detail.get("weight")
            at = float(weight) if isinstance(weight, int | float) else 0.0
            return Measured(at, "busy", entry.reason)
        case Kind.DEPLOYED:
            return Measured(100.0, "good", entry.reason)
        case Kind.TESTED | Kind.ANALYSED:
            is_bad = entry.detail.get("passed") is False or entry.detail.get("verdict") == "failed"
            return Measured(None, "bad" if is_bad else "good", entry.reason)
        case Kind.QUARANTINED | Kind.ROLLED_BACK:
            return Measured(0.0, "bad", entry.reason)
        case _:
            return None


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry
