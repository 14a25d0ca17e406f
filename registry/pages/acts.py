"""What who is looking may do with a version or a model: the buttons that a page shows.

A button that the registry would refuse is not shown; whoever forges its form is refused by it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import Request

from registry import errors
from registry.core.identity import Caller
from registry.db.tables_retention import Hold as Row
from registry.pages import guarding
from registry.usecases import holds as legal
from registry.usecases import scoping
from registry.usecases.opening import Registry

_DID = frozenset({"alias", "held", "released"})


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold that is not released; `version` None holds the whole model."""

    id: int
    model: str
    version: int | None
    reason: str
    placed_by: str
    placed_on: str


@dataclass(frozen=True, slots=True)
class Acts:
    """Which buttons there are, the holds that their owner may see, and what was just done."""

    move_alias: bool
    place_hold: bool
    release_hold: bool
    approve: bool
    holds: tuple[Hold, ...]
    did: str


def of(request: Request, model: str, version: int | None) -> Acts:
    """For a version, or with `version` None for a model."""
    registry: Registry = request.app.state.registry
    sees_holds = may(request, "GET /v1/holds", model)
    did = request.query_params.get("did", "")
    approval = "POST /v1/models/{name}/versions/{version}/evidence"
    acting: Callable[[str], Caller | None] = request.state.may
    approver = acting(approval)
    return Acts(
        move_alias=may(request, "POST /models/{name}/alias", model),
        place_hold=may(request, "POST /models/{name}/hold", model),
        release_hold=_may_release(request),
        approve=approver is not None and approver.role == "approver",
        holds=holds(legal.on(registry, model, version)) if sees_holds else (),
        did=did if did in _DID else "",
    )


def may(request: Request, route: str, model: str) -> bool:
    """Whether who is looking, through a cookie, could send this for the model."""
    if not guarding.token(request, ""):
        return False
    acting: Callable[[str], Caller | None] = request.state.may
    caller = acting(route)
    if caller is None:
        return False
    try:
        scoping.require(request.app.state.registry, caller, model)
    except errors.Forbidden:
        return False
    return True


def holds(rows: Sequence[Row]) -> tuple[Hold, ...]:
    return tuple(hold(row) for row in rows)


def hold(row: Row) -> Hold:
    placed = f"{row.placed_at:%Y-%m-%d}"
    return Hold(row.id, row.model, row.version, row.reason, row.placed_by, placed)


def _may_release(request: Request) -> bool:
    acting: Callable[[str], Caller | None] = request.state.may
    caller = acting("POST /holds/{hold}/release")
    has_cookie = bool(guarding.token(request, ""))
    return has_cookie and caller is not None and caller.scope.is_everything
