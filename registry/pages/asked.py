"""What was asked of a deployment, and what could be: as its page shows it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import Request

from registry.core import asking
from registry.core.asking import State, Verb
from registry.core.canonical import Json
from registry.db.tables_log import Deployment
from registry.db.tables_requests import Request as Row
from registry.pages import acts, views
from registry.usecases import catalogue, requests

OF_A_VERSION = frozenset({Verb.PROPOSE, Verb.ROLLBACK})
_TONES = {
    State.WAITING: "busy",
    State.TAKEN: "busy",
    State.DONE: "good",
    State.REFUSED: "bad",
    State.EXPIRED: "warn",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and how far it has come; `address` is of a pull request, or empty."""

    id: str
    verb: str
    version: int | None
    reason: str
    by: str
    at: views.Moment
    state: views.Status
    taken_by: str
    address: str
    log_index: int


def of(request: Request, environment: str, name: str, now: datetime) -> list[Asked]:
    """The last few, the newest first."""
    rows = requests.of(request.app.state.registry, environment, name)
    return [_asked(row, now) for row in rows]


def buttons(request: Request, found: Deployment) -> list[str]:
    """The verbs that who is looking could ask for now; none while a request has no end."""
    place = (found.environment, found.name)
    route = "POST /deployments/{environment}/{name}/ask"
    if not acts.may(request, route, catalogue.model_of(found)):
        return []
    registry, now = request.app.state.registry, datetime.now(UTC)
    if any(_state(row, now) in asking.OPEN for row in requests.of(registry, *place)):
        return []
    return [verb.value for verb in _possible(found.document)]


def _possible(document: dict[str, Json]) -> Iterator[Verb]:
    """As the reconciler's status has it; the reconciler has the last word."""
    rollout = views.mapping(document.get("rollout"))
    said = {views.text(one, "verb") for one in views.mappings(rollout.get("commands"))}
    yield from (verb for verb in Verb if verb.value in said)
    if document.get("hosts"):
        yield Verb.ROLLBACK
    if document.get("quarantined"):
        yield Verb.RETRY
    if document.get("desired"):
        yield Verb.PROPOSE


def _asked(row: Row, now: datetime) -> Asked:
    state = _state(row, now)
    return Asked(
        id=row.id,
        verb=row.verb,
        version=row.version,
        reason=row.reason,
        by=row.asked_by,
        at=views.moment(row.asked_at, now),
        state=views.Status("request", state.value, _TONES[state], row.answer),
        taken_by=row.taken_by,
        address=row.address,
        log_index=row.log_index,
    )


def _state(row: Row, now: datetime) -> State:
    """What is due has its entry in the log once somebody asks for what is open."""
    state = State(row.state)
    return State.EXPIRED if state in asking.OPEN and row.expires_at <= now else state
