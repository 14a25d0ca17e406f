"""Recipes over HTTP: left here, run beside the requests, and looked at until they are done."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query, Request, Response

from registry.api import wire_optimisations as wire
from registry.api.access import Known, Opened, guarded
from registry.core import cursor
from registry.making.optimising import orders

router = guarded("optimisations")

_LIST = "optimisations"
Name = Annotated[str, Path(alias="optimisation", pattern="^[0-9a-f]{32}$")]


@router.post("/v1/optimisations", status_code=201, summary="Leave a recipe to be run")
def place(
    registry: Opened,
    caller: Known,
    new: wire.NewOptimisation,
    request: Request,
    answer: Response,
) -> wire.OptimisationDocument:
    """The same again answers 200 with how far it is; one that failed is begun anew."""
    found, is_new = orders.place(registry, new.recipe, new.files, caller)
    request.app.state.optimisers.wake()
    answer.status_code = 201 if is_new else 200
    return wire.document(found.row, found.made)


@router.get("/v1/optimisations", summary="Recipes that were left here, the newest first")
def listed(
    registry: Opened,
    max_results: Annotated[int, Query(alias="maxResults", ge=1, le=1000)] = 100,
    page_token: Annotated[str, Query(alias="pageToken", max_length=2000)] = "",
) -> wire.OptimisationList:
    found = orders.page(registry, before=_before(page_token), limit=max_results + 1)
    shown = found[:max_results]
    last = shown[-1] if len(found) > len(shown) else None
    return wire.OptimisationList(
        optimisations=[wire.document(row) for row in shown],
        next_page_token=None if last is None else _token(last.created_at, last.id),
    )


@router.get("/v1/optimisations/{optimisation}", summary="How far a recipe is, and what came of it")
def show(registry: Opened, name: Name) -> wire.OptimisationDocument:
    found = orders.find(registry, name)
    return wire.document(found.row, found.made)


@router.delete(
    "/v1/optimisations/{optimisation}",
    status_code=204,
    summary="Withdraw a recipe",
)
def withdraw(registry: Opened, caller: Known, name: Name) -> None:
    """What came of it goes too; one that is being run ends with the step that it is at."""
    orders.withdraw(registry, name, caller)


def _token(at: datetime, name: str) -> str:
    return cursor.encode((at, name), asked=_LIST)


def _before(token: str) -> tuple[datetime, str] | None:
    if not token:
        return None
    at, name = cursor.decode(token, asked=_LIST, kinds=(datetime, str))
    return (at, name) if isinstance(at, datetime) and isinstance(name, str) else None
