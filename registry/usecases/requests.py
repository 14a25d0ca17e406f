"""What people ask of deployments: kept until a reconciler takes it, does it and answers.

A request and its end are entries of the log; each is in the same transaction as what it tells. Who
asks names the request, so that asking twice is asking once. One at a time for a deployment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from registry import errors
from registry.core import asking, entries, facts, names, reason
from registry.core.asking import State, Verb
from registry.core.canonical import Json
from registry.core.identity import Caller, Role
from registry.db import fleet, reports, requests
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.db.tables_log import Deployment
from registry.db.tables_requests import Request
from registry.usecases import log
from registry.usecases.opening import Registry

MOST = 200
_SHOWN = 5
_CLOCK = Caller(Role.ADMIN, "requests")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked, of which deployment, and why; `version` where the verb names one."""

    id: str
    environment: str
    name: str
    verb: Verb
    reason: str
    version: int | None = None


def ask(registry: Registry, wanted: Wanted, by: Caller) -> Request:
    """Keep it for a reconciler; the very same again is the one that is there.

    Raises NotFound for a deployment that nobody told of, InvalidInput, and Conflict where another
    request for it has no end yet.
    """
    asking.require_id(wanted.id)
    said = reason.typed(wanted.reason)
    _require_version(wanted)
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        _expire(session, registry, now)
        known = requests.find(session, wanted.id)
        if known is not None:
            session.commit()
            return _same(known, wanted, said, by)
        deployment = reports.deployment(session, wanted.environment, wanted.name)
        _require_none(session, wanted)
        row = Request(
            id=wanted.id,
            environment=wanted.environment,
            name=wanted.name,
            verb=wanted.verb,
            version=wanted.version,
            reason=said,
            asked_by=by.actor,
            asked_at=now,
            expires_at=now + timedelta(seconds=asking.LASTING_S),
            state=State.WAITING,
            taken_by="",
            changed_at=now,
            answer="",
            address="",
            log_index=0,
        )
        row.log_index = _record_asked(session, registry, row, deployment, by)
        session.add(row)
        session.commit()
    return row


def of(registry: Registry, environment: str, name: str) -> Sequence[Request]:
    """The last few of a deployment, the newest first."""
    with registry.database.reading() as session:
        return requests.of(session, environment, name, limit=_SHOWN)


def open_ones(registry: Registry) -> Sequence[Request]:
    """Those without an end, the oldest first; what is due ends here."""
    now = datetime.now(UTC)
    with registry.database.reading() as session:
        is_due = bool(requests.due(session, now))
    if is_due:
        with registry.database.writing() as session:
            log_rows.locked_head(session)
            _expire(session, registry, now)
            session.commit()
    with registry.database.reading() as session:
        return requests.open_ones(session, limit=MOST)


def take(registry: Registry, request_id: str, *, holder: str, by: Caller) -> Request:
    """It is the caller's to do, from now on; again is free. Conflict where it is another's, or
    has its end."""
    if holder:
        names.slug(holder, what="holder")
    now, taker = datetime.now(UTC), _taker(by, holder)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        _expire(session, registry, now)
        row = requests.get(session, request_id)
        if row.state == State.WAITING:
            row.state, row.taken_by, row.changed_at = State.TAKEN, taker, now
            row.expires_at = now + timedelta(seconds=asking.LASTING_S)
            fleet.change(session)
        is_ours = row.state == State.TAKEN and row.taken_by == taker
        session.commit()
        if not is_ours:
            raise errors.Conflict(f"request {request_id} is {_word(row)}", fix="leave it")
    return row


def answer(
    registry: Registry, request_id: str, *, holder: str, ended: "Ended", by: Caller
) -> Request:
    """Its end, by who took it; the very same again is free. Raises Conflict, InvalidInput."""
    text = facts.require_text(ended.text, what="answer", limit=asking.ANSWER_LIMIT)
    address = facts.require_text(ended.address, what="address", limit=asking.ANSWER_LIMIT)
    asking.require_address(address)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        row = requests.get(session, request_id)
        is_again = (row.state, row.answer, row.address) == (ended.state, text, address)
        if row.taken_by == _taker(by, holder) and is_again:
            return row
        if row.state != State.TAKEN or row.taken_by != _taker(by, holder):
            raise errors.Conflict(f"request {request_id} is {_word(row)}", fix="leave it")
        row.answer, row.address = text, address
        _end(session, registry, row, ended.state, by=by)
        session.commit()
    return row


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended, in words; `address` is where people see it, such as a pull request's."""

    state: State
    text: str
    address: str = ""


def _require_version(wanted: Wanted) -> None:
    if wanted.version is not None:
        names.version(wanted.version)
    if wanted.verb is Verb.PROPOSE and wanted.version is None:
        raise errors.InvalidInput("no version is named", fix="name the one to promote")
    if wanted.version is not None and wanted.verb not in {Verb.PROPOSE, Verb.ROLLBACK}:
        raise errors.InvalidInput(f"{wanted.verb} names no version", fix="leave it out")


def _require_none(session: Session, wanted: Wanted) -> None:
    one = requests.open_one(session, wanted.environment, wanted.name)
    if one is not None:
        raise errors.Conflict(
            f"{one.asked_by} asked for a {one.verb} already, which is {one.state}",
            fix="wait for its end",
        )


def _same(known: Request, wanted: Wanted, said: str, by: Caller) -> Request:
    told = (known.environment, known.name, known.verb, known.version, known.reason, known.asked_by)
    asked = (wanted.environment, wanted.name, wanted.verb, wanted.version, said, by.actor)
    if told != asked:
        raise errors.Conflict(
            "another request has this id", fix="open the form again and send it from there"
        )
    return known


def _expire(session: Session, registry: Registry, now: datetime) -> None:
    for row in requests.due(session, now):
        by = f"{row.taken_by} took it and did not answer" if row.taken_by else "nobody took it"
        row.answer = f"its time is over: {by}"
        _end(session, registry, row, State.EXPIRED, by=_CLOCK)


def _end(session: Session, registry: Registry, row: Request, state: State, *, by: Caller) -> None:
    now = datetime.now(UTC)
    row.state, row.changed_at = state, now
    detail: dict[str, Json] = {"request": row.id, "asked": row.verb, "outcome": state.value}
    entry = entries.Entry(
        time=log.stamp(now),
        kind=entries.Kind.REQUEST_ENDED,
        actor=by.actor,
        deployment=f"{row.environment}/{row.name}",
        reason=row.answer,
        detail=detail | ({"address": row.address} if row.address else {}),
    )
    row.log_index = log.append(session, registry, entry, now=now)


def _record_asked(
    session: Session, registry: Registry, row: Request, deployment: Deployment, by: Caller
) -> int:
    said = deployment.document.get("desired")
    wanted = said if isinstance(said, dict) else {}
    model, version, digest = (wanted.get(name) for name in ("model", "version", "digest"))
    detail: dict[str, Json] = {"request": row.id, "asked": row.verb}
    entry = entries.Entry(
        time=log.stamp(row.asked_at),
        kind=entries.Kind.REQUESTED,
        actor=by.actor,
        model=model if isinstance(model, str) else "",
        version=version if isinstance(version, int) else 0,
        digest=digest if isinstance(digest, str) else "",
        deployment=f"{row.environment}/{row.name}",
        reason=row.reason,
        detail=detail | ({"version": row.version} if row.version is not None else {}),
    )
    return log.append(session, registry, entry, now=row.asked_at)


def _taker(by: Caller, holder: str) -> str:
    return f"{by.actor}/{holder}" if holder else by.actor


def _word(row: Request) -> str:
    return f"{row.state} by {row.taken_by}" if row.taken_by else row.state
