"""Policies: what they demand, what they decided last, and whether an expression holds."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from registry import errors
from registry.core.entries import Kind
from registry.core.policy import Rule
from registry.db.log_search import Wanted
from registry.pages import rendering, views
from registry.pages.views import Status
from registry.usecases import log_search, policing, trying_rules
from registry.usecases.catalogue import Logged
from registry.usecases.opening import Registry
from registry.usecases.trying_rules import Tried

router = APIRouter(include_in_schema=False)

_DECISIONS = 25
_EXAMPLE = 'verification.publisher == "alice" && size(verification.approvals) >= 1'

Before = Annotated[int | None, Query(ge=0, lt=2**63)]


@dataclass(frozen=True, slots=True)
class Demand:
    """One policy: what it is about, and what has to be true."""

    name: str
    path: str
    area: str
    mode: Status
    about: tuple[str, ...]
    validations: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, of what, and why."""

    entry: views.Entry
    result: Status
    area: str
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody tries."""

    model: str
    version: str
    expression: str


def asked(
    model: Annotated[str, Query(max_length=128)] = "",
    version: Annotated[str, Query(max_length=19)] = "",
    expression: Annotated[str, Query(max_length=trying_rules.LENGTH)] = "",
) -> Asked:
    """Nothing is tried before all of it is given."""
    return Asked(model, version, expression)


@router.get("/policies")
def policies(
    request: Request, wish: Annotated[Asked, Depends(asked)], before: Before = None
) -> Response:
    registry, now = _registry(request), datetime.now(UTC)
    folder = registry.settings.policies
    found = None if folder is None else policing.read(folder)
    decided = log_search.newest(
        registry, Wanted(kind=Kind.DECIDED), log_search.When(before=before), limit=_DECISIONS + 1
    )
    shown = decided[:_DECISIONS]
    return rendering.page(
        request,
        "policies.html",
        is_configured=found is not None,
        policies=[_demand(rule) for rule in found.policies.rules] if found else [],
        problems=[f"{one.path}:{one.line}: {one.detail}. {one.fix}" for one in found.problems]
        if found
        else [],
        decisions=[_decision(logged, now) for logged in shown],
        older=rendering.address(request, before=shown[-1].index)
        if len(decided) > len(shown)
        else None,
        asked=wish,
        tried=_tried(request, registry, wish),
        now=now,
        drawn={"example": _EXAMPLE, "is_newest": before is None},
    )


def _tried(request: Request, registry: Registry, wish: Asked) -> Tried | None:
    if not (wish.model and wish.version and wish.expression):
        return None
    if not (wish.version.isascii() and wish.version.isdigit()):
        return Tried(holds=False, trouble=f"version {wish.version!r} is no number")
    try:
        return trying_rules.on_version(
            registry, wish.model, int(wish.version), wish.expression, request.state.caller
        )
    except (errors.NotFound, errors.Gone, errors.IntegrityError) as error:
        return Tried(holds=False, trouble=error.detail)


def _demand(rule: Rule) -> Demand:
    spec = rule.policy.spec
    about = {
        "environments": spec.match.environments,
        "models": spec.match.models,
        "labels": [f"{key}={value}" for key, value in (spec.match.labels or {}).items()],
    }
    is_enforced = spec.mode == "enforce"
    return Demand(
        name=rule.name,
        path=rule.path,
        area=rule.area.value,
        mode=Status("mode", spec.mode, "good" if is_enforced else "quiet"),
        about=tuple(f"{what} {', '.join(some)}" for what, some in about.items() if some),
        validations=tuple((one.message, one.expression) for one in spec.validations),
    )


def _decision(logged: Logged, now: datetime) -> Decision:
    detail = logged.entry.detail
    result = str(detail.get("result", ""))
    by = detail.get("by") or detail.get("reasons")
    return Decision(
        views.entry(logged, now),
        Status(
            "decision",
            result or "decided",
            {"allowed": "good", "denied": "bad"}.get(result, "quiet"),
        ),
        str(detail.get("area", "")),
        tuple(str(one) for one in by) if isinstance(by, list) else (),
    )


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry
