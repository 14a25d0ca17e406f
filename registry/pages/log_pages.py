"""The log: searched, as it was at a moment, and each entry with its proof."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from registry import errors
from registry.core import entries, merkle
from registry.db.log_search import Wanted
from registry.pages import rendering, views
from registry.usecases import log, log_search
from registry.usecases.catalogue import Logged
from registry.usecases.opening import Registry

router = APIRouter(include_in_schema=False)

_PAGE = 50

Before = Annotated[int | None, Query(ge=0, lt=2**63)]
Place = Annotated[int, Path(ge=0, lt=2**63)]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed: `until` is a moment as a browser's field gives it, in UTC."""

    kind: str
    model: str
    version: str
    until: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Which hashes lead from an entry to the root of a log of `size` that is signed."""

    leaf_hash: str
    size: int
    hashes: tuple[str, ...]
    checkpoint: str


def asked(
    kind: Annotated[str, Query(max_length=40)] = "",
    model: Annotated[str, Query(max_length=128)] = "",
    version: Annotated[str, Query(max_length=19)] = "",
    until: Annotated[str, Query(max_length=40)] = "",
) -> Asked:
    """An empty field asks for nothing."""
    return Asked(kind, model, version, until)


@router.get("/log")
def listed(
    request: Request, wanted: Annotated[Asked, Depends(asked)], before: Before = None
) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    found, problem = _found(registry, wanted, before)
    shown = found[:_PAGE]
    return rendering.page(
        request,
        "log.html",
        entries=[views.entry(one, now) for one in shown],
        older=rendering.address(request, before=shown[-1].index)
        if len(found) > len(shown)
        else None,
        filter=wanted,
        problem=problem,
        checkpoint=log.checkpoint(registry),
        now=now,
        drawn={"is_newest": before is None, "kinds": sorted(entries.Kind)},
        status=422 if problem else 200,
    )


def _found(registry: Registry, wanted: Asked, before: int | None) -> tuple[list[Logged], str]:
    """One more than a page has, and what is wrong with what was typed."""
    try:
        looked_for = Wanted(
            entries.kind(wanted.kind).value if wanted.kind else "",
            wanted.model,
            _number(wanted.version),
        )
        until = _moment(wanted.until)
        return log_search.newest(
            registry, looked_for, before=before, until=until, limit=_PAGE + 1
        ), ""
    except errors.InvalidInput as error:
        return [], f"{error.detail}. {error.fix}".rstrip(". ") + "."


def _number(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise errors.InvalidInput(f"version {text!r} is no number", fix="write one, such as 7")
    return int(text or 0)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise errors.InvalidInput(
            f"{text!r} is no moment", fix="write one in UTC, such as 2026-11-24T10:00"
        ) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


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
