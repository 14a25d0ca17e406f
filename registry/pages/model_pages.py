"""Models and their versions: the list, one model, one version, two versions side by side."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from registry import errors
from registry.core.canonical import Json
from registry.core.evidence import Kind
from registry.db.summaries import Summary
from registry.pages import (
    acts,
    cards,
    comparing,
    drawing,
    evidence,
    explaining,
    models,
    rendering,
    views,
)
from registry.usecases import catalogue, lineage, search
from registry.usecases import evidence as filed
from registry.usecases.opening import Registry

router = APIRouter(include_in_schema=False)

_LATEST = 12
_MODELS = 50
_VERSIONS = 50

Number = Annotated[int, Path(gt=0, lt=2**63)]
Compared = Annotated[int, Query(gt=0, lt=2**63)]
Filter = Annotated[str, Query(alias="filter", max_length=4000)]
Token = Annotated[str, Query(max_length=8192)]


@router.get("/models")
def listed(request: Request, filter_: Filter = "", page: Token = "") -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    scope = request.state.caller.scope
    asked = search.Asked(filter_, limit=_MODELS, token=page, scope=scope)
    found, problem = _searched(registry, asked)
    return rendering.page(
        request,
        "models.html",
        models=[models.glance(one, now) for one in found.items],
        next_page=rendering.address(request, page=found.token) if found.token else None,
        filter=filter_,
        problem=problem,
        now=now,
        drawn={"is_first": not page},
        status=422 if problem else 200,
    )


def _searched(registry: Registry, asked: search.Asked) -> tuple[search.Found[Summary], str]:
    """What was found, and what is wrong with what was typed."""
    try:
        return search.models(registry, asked), ""
    except errors.InvalidInput as error:
        return search.Found((), None), f"{error.detail}. {error.fix}".rstrip(". ") + "."


@router.get("/models/{name}")
def model(request: Request, name: str, page: Token = "") -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    logged = catalogue.latest(registry, limit=_LATEST, model_name=name)
    found = catalogue.model(registry, name, limit=_VERSIONS, token=page)
    shown = models.model(found, now)
    return rendering.page(
        request,
        "model.html",
        model=shown,
        next_page=rendering.address(request, page=found.token) if found.token else None,
        entries=[views.entry(one, now) for one in logged],
        now=now,
        drawn={"is_first": not page, "acts": acts.of(request, name, None)},
    )


@router.get("/models/{name}/compare")
def compare(request: Request, name: str, a: Compared, b: Compared) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    left, right = (catalogue.version(registry, name, number) for number in (a, b))
    return rendering.page(
        request, "compare.html", compared=comparing.compare(left, right, now), now=now
    )


@router.get("/models/{name}/versions/{version}")
def version(request: Request, name: str, version: Number) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    traced = lineage.trace(registry, name, version)
    shown = models.version(traced.subject, now)
    explained = explaining.shown(filed.last(registry, name, version, Kind.EXPLANATION), now)
    return rendering.page(
        request,
        "version.html",
        version=shown,
        lineage=[_edge(edge) for edge in traced.edges],
        lineage_is_cut=traced.is_cut,
        evidence=evidence.statements(catalogue.shown(registry, name, version).evidence, now),
        explained=explained,
        card=cards.render(catalogue.card(registry, name, version)),
        aliases=catalogue.aliases_of(registry, name, version),
        now=now,
        drawn={
            "drawing": drawing.draw(traced),
            "explaining": explaining.draw(explained),
            "acts": acts.of(request, name, version),
        },
    )


def _edge(edge: lineage.Edge) -> dict[str, Json]:
    return {"child": edge.child, "relation": edge.relation, "parent": edge.parent}


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry
