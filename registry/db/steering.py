"""Leases on hosts, the reconcilers that ask for them, and what these remember, as rows."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from registry.db.tables_steering import HostLease, Reconciler, Rollout

# Some databases bind no more than about a thousand values to a statement.
_BOUND = 500
_INSERTS: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def announce(session: Session, holder: str, *, now: datetime, until: datetime) -> list[str]:
    """Note that `holder` is there, forget who is gone; gives all who are, by name."""
    session.execute(delete(Reconciler).where(Reconciler.expires_at <= now))
    row = {"holder": holder, "expires_at": until}
    _upsert(session, Reconciler, [row], key=("holder",), changed=("expires_at",))
    return list(session.scalars(select(Reconciler.holder).order_by(Reconciler.holder)))


def leave(session: Session, holder: str) -> None:
    """Forget `holder`."""
    session.execute(delete(Reconciler).where(Reconciler.holder == holder))


def locked(
    session: Session, hosts: Collection[str], *, holder: str, now: datetime
) -> dict[str, HostLease]:
    """The leases on `hosts`, made where there were none, each until the transaction's end ours to
    change: in order of their names, so that two who ask for the same wait for one another."""
    rows = [
        {"host": host, "holder": holder, "epoch": 0, "expires_at": now} for host in sorted(hosts)
    ]
    for some in _batches(rows):
        insert = _INSERTS[session.get_bind().dialect.name]
        session.execute(insert(HostLease).values(some).on_conflict_do_nothing())
    found: dict[str, HostLease] = {}
    for some in _batches(sorted(hosts)):
        statement = select(HostLease).where(HostLease.host.in_(some)).order_by(HostLease.host)
        found |= {row.host: row for row in session.scalars(statement.with_for_update())}
    return found


def expire(session: Session, holder: str, *, but: Collection[str], now: datetime) -> None:
    """End all leases of `holder` on other hosts than `but`."""
    statement = select(HostLease.host).where(HostLease.holder == holder, HostLease.expires_at > now)
    ended = sorted(set(session.scalars(statement)) - set(but))
    for some in _batches(ended):
        changed = update(HostLease).where(HostLease.host.in_(some), HostLease.holder == holder)
        session.execute(changed.values(expires_at=now))


def held(session: Session, hosts: Collection[str], *, holder: str, now: datetime) -> dict[str, int]:
    """Those of `hosts` that are `holder`'s now, each with its epoch; nobody changes that before
    the transaction ends."""
    found: dict[str, int] = {}
    for some in _batches(sorted(hosts)):
        statement = (
            select(HostLease.host, HostLease.epoch)
            .where(HostLease.host.in_(some))
            .where(HostLease.holder == holder, HostLease.expires_at > now)
            .order_by(HostLease.host)
            .with_for_update(read=True)
        )
        found |= {row.host: row.epoch for row in session.execute(statement)}
    return found


def rollouts(session: Session) -> Sequence[Rollout]:
    """Everything that is remembered, by deployment and host."""
    return session.scalars(select(Rollout).order_by(Rollout.deployment, Rollout.host)).all()


def remember(
    session: Session,
    changed: Mapping[tuple[str, str], bytes | None],
    *,
    by: str,
    now: datetime,
) -> None:
    """Keep these documents, by deployment and host, in place of the earlier ones; None forgets."""
    kept = [
        {
            "deployment": deployment,
            "host": host,
            "written_by": by,
            "written_at": now,
            "document": document,
        }
        for (deployment, host), document in sorted(changed.items(), key=lambda item: item[0])
        if document is not None
    ]
    columns = ("written_by", "written_at", "document")
    for some in _batches(kept):
        _upsert(session, Rollout, some, key=("deployment", "host"), changed=columns)
    gone = sorted(key for key, document in changed.items() if document is None)
    for these in _batches(gone):
        named = tuple_(Rollout.deployment, Rollout.host).in_(these)
        session.execute(delete(Rollout).where(named))


def _upsert(
    session: Session,
    table: type[Reconciler | Rollout],
    rows: Sequence[dict[str, Any]],
    *,
    key: Sequence[str],
    changed: Sequence[str],
) -> None:
    statement = _INSERTS[session.get_bind().dialect.name](table).values(rows)
    new = {name: statement.excluded[name] for name in changed}
    session.execute(statement.on_conflict_do_update(index_elements=key, set_=new))


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _BOUND // 5):
        yield items[start : start + _BOUND // 5]
