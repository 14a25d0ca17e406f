"""Experiments and promotions: those under way, and what the log tells of those that were."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.db.fleet import Wanted
from registry.db.log_search import Wanted as WantedEntries
from registry.pages import deployed, rendering, trials, views
from registry.usecases import fleet, log_search
from registry.usecases.catalogue import Logged
from registry.usecases.opening import Registry

router = APIRouter(include_in_schema=False)

_ENTRIES = 25

Token = Annotated[str, Query(max_length=4000)]
Before = Annotated[int | None, Query(ge=0, lt=2**63)]


@dataclass(frozen=True, slots=True)
class Promoted:
    """A version that met all conditions of a promotion, by the log."""

    name: str
    source: str
    target: str
    soaked_since: str
    approvals: int
    entry: views.Entry


@router.get("/experiments")
def experiments(request: Request, page: Token = "", before: Before = None) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    found = fleet.page(
        registry, request.state.caller.scope, Wanted(has_experiment=True), limit=20, token=page
    )
    shown, older = _told(request, Kind.EXPERIMENT_DECIDED, before)
    return rendering.page(
        request,
        "experiments.html",
        experiments=[
            one for row in found.items if (one := trials.of(row.document, now)) is not None
        ],
        next_page=rendering.address(request, page=found.token) if found.token else None,
        entries=[views.entry(one, now) for one in shown],
        older=older,
        now=now,
        drawn={"is_first": not page, "is_newest": before is None},
    )


@router.get("/promotions")
def promotions(request: Request, page: Token = "", before: Before = None) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    found = fleet.page(registry, request.state.caller.scope, Wanted(has_promotion=True), token=page)
    shown, older = _told(request, Kind.PROMOTION_DECIDED, before)
    return rendering.page(
        request,
        "promotions.html",
        waiting=[(deployed.row(row, now), row.promotion) for row in found.items],
        next_page=rendering.address(request, page=found.token) if found.token else None,
        promoted=[_promoted(one, now) for one in shown],
        older=older,
        now=now,
        drawn={"is_first": not page, "is_newest": before is None},
    )


def _told(request: Request, kind: Kind, before: int | None) -> tuple[list[Logged], str | None]:
    """The newest entries of `kind`, and where the older ones are, if there are any."""
    wanted = WantedEntries(kind=kind)
    found = log_search.newest(
        _registry(request), wanted, log_search.When(before=before), limit=_ENTRIES + 1
    )
    shown = found[:_ENTRIES]
    is_all = len(found) == len(shown)
    return shown, None if is_all else rendering.address(request, before=shown[-1].index)


def _promoted(logged: Logged, now: datetime) -> Promoted:
    detail = logged.entry.detail
    approvals = detail.get("approvals")
    return Promoted(
        name=_text(detail.get("promotion")),
        source=_text(detail.get("from")),
        target=logged.entry.deployment,
        soaked_since=_text(detail.get("soakedSince"))[:16].replace("T", " "),
        approvals=len(approvals) if isinstance(approvals, list) else 0,
        entry=views.entry(logged, now),
    )


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry
