"""Hosts that look after themselves: each is its agent's own until that one lets go of it.

An agent that is offline goes on looking after its host. So its lease has no end: the host is
anybody else's only once its agent has let go, or somebody said that it will never come back. An
agent that was let go behind its back finds that out when it tells of itself next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from registry import errors
from registry.core import canonical, entries, names
from registry.core.canonical import Json
from registry.db import agents, clock, steering
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.db.tables_agents import Agent
from registry.usecases import hosts
from registry.usecases import steering as leases
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry

_FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)
_WHAT = "agent's report"


@dataclass(frozen=True, slots=True)
class Claim:
    """Which host is `holder`'s, since when and under which epoch; `now` is the registry's time."""

    host: str
    holder: str
    epoch: int
    claimed_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """One agent. `document` is what it told last; None where the asker has it already."""

    host: str
    holder: str
    claimed_at: datetime
    seen_at: datetime
    document: dict[str, Json] | None


@dataclass(frozen=True, slots=True)
class All:
    """All agents by host; `now` is the time, `newest` what to ask with next for what is new."""

    agents: Sequence[Standing]
    now: datetime
    newest: datetime | None


def tell(
    registry: Registry,
    host: str,
    document: dict[str, Json],
    *,
    holder: str,
    epoch: int | None,
    by: Caller,
) -> Claim:
    """Keep what the host's agent tells. Without an `epoch` the host becomes its own first.

    Raises Forbidden for another's host, Conflict where the host is not `holder`'s (any more).
    """
    _require_own(host, by)
    names.slug(holder, what="holder")
    told = canonical.encode(document)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        now = clock.now(session)
        lease = steering.locked(session, [names.host(host)], holder=holder, now=now)[host]
        row = agents.find(session, host)
        if epoch is None:
            is_ours = leases.taken(lease, holder=holder, now=now, until=_FOR_EVER)
        else:
            is_ours = (lease.holder, lease.epoch) == (holder, epoch) and lease.expires_at > now
        if not is_ours:
            raise _not_its_own(host, holder, lease.holder if lease.expires_at > now else "")
        if row is None or row.holder != holder:
            row = Agent(host=host, holder=holder, claimed_at=now, changed_at=now, document=b"")
            hosts.record(session, registry, by.actor, _claimed(host, holder))
        changed_at = row.changed_at if row.document == told else _stamp(session, now)
        row.seen_at, row.changed_at, row.document = now, changed_at, told
        agents.put(session, row)
        claim = Claim(host, holder, lease.epoch, row.claimed_at, now)
        session.commit()
    return claim


def listed(registry: Registry, *, after: datetime | None) -> All:
    """With what they told where it was new after `after`, the `newest` of an earlier answer."""
    with registry.database.reading() as session:
        now = clock.now(session)
        rows = agents.all_of(session)
        told = agents.documents(session, after=after)
        newest = agents.newest(session)
    found = [
        Standing(
            host,
            holder,
            claimed_at,
            seen_at,
            canonical.decode_object(told[host], what=_WHAT) if host in told else None,
        )
        for host, holder, claimed_at, seen_at in rows
    ]
    return All(found, now, newest)


def release(registry: Registry, host: str, *, holder: str, reason: str, by: Caller) -> None:
    """The host is its agent's own no more; again is free. Raises Forbidden, InvalidInput.

    An agent lets go of its own host only, and only as the `holder` that it is; whoever else does
    this says with a `reason` that it will act there no more.
    """
    if by.role is Role.AGENT:
        names.slug(holder, what="holder")
        _require_own(host, by)
    elif not reason.strip():
        raise errors.InvalidInput(
            "a reason is needed: from now on others may act on the host, also if its agent does",
            fix="say why its agent will act there no more",
        )
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        row = agents.find(session, host)
        if row is None or (by.role is Role.AGENT and row.holder != holder):
            return
        _let_go(session, row)
        told = hosts.Told(entries.Kind.HOST_RELEASED, host, reason, {"holder": row.holder})
        hosts.record(session, registry, by.actor, told)
        session.commit()


def _stamp(session: Session, now: datetime) -> datetime:
    """Later than all that is committed, whatever the clock says: who has seen those and asks for
    what is new misses nothing. The caller holds the log's head, so nobody else stamps meanwhile."""
    newest = agents.newest(session)
    return now if newest is None else max(now, newest + timedelta(microseconds=1))


def _let_go(session: Session, row: Agent) -> None:
    now = clock.now(session)
    lease = steering.locked(session, [row.host], holder=row.holder, now=now)[row.host]
    if lease.holder == row.holder:
        lease.expires_at = now
    agents.drop(session, row)


def _require_own(host: str, by: Caller) -> None:
    if by.role is Role.AGENT and by.name != host:
        raise errors.Forbidden(
            f"agent {by.name!r} may tell of its own host only", fix="use that host's own token"
        )


def _claimed(host: str, holder: str) -> hosts.Told:
    return hosts.Told(entries.Kind.HOST_CLAIMED, host, detail={"holder": holder})


def _not_its_own(host: str, holder: str, other: str) -> errors.Conflict:
    if other and other != holder:
        return errors.Conflict(
            f"{host} is looked after by {other}, not by {holder}",
            fix="let that one go first, or if it is gone for good: "
            f"plimsoll host release {host} --reason WHY",
        )
    return errors.Conflict(
        f"{host} is not {holder}'s own any more",
        fix="nothing: the agent claims it again where the newest commit says so",
    )
