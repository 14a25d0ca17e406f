"""The log: searched, as it was at a moment, and each entry with its proof."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from registry import errors
from registry.core import entries, merkle
from registry.pages import guarding, log_asking, rendering, views
from registry.pages.log_asking import Asked
from registry.usecases import log, log_search, persons
from registry.usecases.catalogue import Logged
from registry.usecases.opening import Registry

router = APIRouter(include_in_schema=False)

_PAGE = 50

Before = Annotated[int | None, Query(ge=0, lt=2**63)]
Place = Annotated[int, Path(ge=0, lt=2**63)]


@dataclass(frozen=True, slots=True)
class Proof:
    """Which hashes lead from an entry to the root of a log of `size` that is signed."""

    leaf_hash: str
    size: int
    hashes: tuple[str, ...]
    checkpoint: str


@router.get("/log")
def listed(
    request: Request, wanted: Annotated[Asked, Depends(log_asking.asked)], before: Before = None
) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    looks_up = log_search.may_look_up(request.state.identity)
    found, problem = _found(registry, wanted, before, looks_up=looks_up)
    shown = found[:_PAGE]
    return rendering.page(
        request,
        "log.html",
        entries=[views.entry(one, now) for one in shown],
        older=rendering.address(request, before=shown[-1].index)
        if len(found) > len(shown)
        else None,
        filter=wanted,
        known=_known(registry, wanted.actor) if looks_up else {},
        problem=problem,
        download=log_asking.download(wanted, before) if shown else None,
        checkpoint=log.checkpoint(registry),
        now=now,
        drawn={
            "is_newest": before is None,
            "newest": rendering.address(request, before=""),
            "kinds": sorted(entries.Kind),
            "looks_up": looks_up,
            "token": guarding.token(request, "/log/find"),
            "most": log_asking.DOWNLOADED,
        },
        status=422 if problem and not wanted.nobody else 200,
    )


@router.post("/log/find")
def find(request: Request) -> Response:
    """From the form to the address of what is found: a person's name is sent here, and stands in
    no address, so in no access log and in no history. Nothing is written."""
    form: dict[str, str] = request.state.form
    looks_up = log_search.may_look_up(request.state.identity)
    who = form.get("who", "").strip()
    try:
        names = log_search.names_of(_registry(request), who, looks_up=looks_up) if who else ()
    except (errors.NotFound, errors.InvalidInput):
        return RedirectResponse(log_asking.address(form, nobody=True), status_code=303)
    return RedirectResponse(log_asking.address(form, names), status_code=303)


def _found(
    registry: Registry, wanted: Asked, before: int | None, *, looks_up: bool
) -> tuple[list[Logged], str]:
    """One more than a page has, and what is wrong with what was typed."""
    try:
        looked_for, when = log_asking.read(wanted, before, looks_up=looks_up)
        return log_search.newest(registry, looked_for, when, limit=_PAGE + 1), ""
    except errors.PlimsollError as error:
        return [], f"{error.detail}. {error.fix}".rstrip(". ") + "."


def _known(registry: Registry, names: Iterable[str]) -> dict[str, str]:
    """What the provider calls those of these who are persons, until they are erased."""
    pseudonyms = {name: entries.role_and_name(name)[1] for name in names}
    found = {name: persons.known_as(registry, one) for name, one in pseudonyms.items()}
    return {name: called for name, called in found.items() if called}


@router.get("/log/entry/{index}")
def entry(request: Request, index: Place) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    found = log_search.proven(registry, index)
    told = entries.decode(found.leaf)
    shown = views.entry(Logged(index, told), now)
    return rendering.page(
        request,
        "entry.html",
        entry=shown,
        known=_known(registry, [told.actor])
        if log_search.may_look_up(request.state.identity)
        else {},
        detail=told.detail,
        leaf=found.leaf.decode(),
        proof=Proof(
            merkle.leaf_hash(found.leaf).hex(),
            log.size_of(found.checkpoint),
            tuple(one.hex() for one in found.hashes),
            found.checkpoint,
        ),
        now=now,
        drawn={"newer": index + 1 if index + 1 < log.size_of(found.checkpoint) else None},
    )


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry
