"""Reconcilers that share their work: each host is one reconciler's at a time, by a lease.

The database's clock alone says whether a lease lasts. A lease that nobody renews can be taken by
another, under the next epoch; from then on its former holder can neither announce a change to
that host nor change what is remembered of it, however late it wakes up.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from registry import errors
from registry.core import canonical, fields, names
from registry.core.canonical import Json
from registry.db import clock, steering
from registry.db.engine import Session
from registry.db.tables_steering import HostLease
from registry.usecases.access import Caller
from registry.usecases.opening import Registry

_WHAT = "remembered rollout"


@dataclass(frozen=True, slots=True)
class Granted:
    """`held` gives the epoch of each host that is the asker's now, `refused` who has the others.

    `reconcilers` are all that are there, the asker among them.
    """

    held: Mapping[str, int]
    refused: Mapping[str, str]
    reconcilers: Sequence[str]


def renew(registry: Registry, *, holder: str, hosts: Collection[str], seconds: int) -> Granted:
    """Take or renew the leases on `hosts` for so long, and let go of all others of `holder`."""
    names.slug(holder, what="holder")
    wanted = {names.host(host) for host in hosts}
    with registry.database.writing() as session:
        now = clock.now(session)
        until = now + timedelta(seconds=seconds)
        present = steering.announce(session, holder, now=now, until=until)
        steering.expire(session, holder, but=wanted, now=now)
        found = steering.locked(session, wanted, holder=holder, now=now)
        held = {
            host: row.epoch
            for host, row in found.items()
            if taken(row, holder=holder, now=now, until=until)
        }
        session.commit()
    refused = {host: row.holder for host, row in found.items() if host not in held}
    return Granted(held, refused, present)


def release(registry: Registry, *, holder: str) -> None:
    """Let go of everything: others need not wait for the leases to end."""
    with registry.database.writing() as session:
        steering.expire(session, holder, but=(), now=clock.now(session))
        steering.leave(session, holder)
        session.commit()


@dataclass(frozen=True, slots=True)
class Changed:
    """What is to be remembered of one deployment from now on; None forgets.

    `hosts` is by host. `fleet` is of the deployment as a whole, which whoever has all of its
    `targets` may say; left out it stays as it is.
    """

    hosts: Mapping[str, dict[str, Json] | None]
    fleet: tuple[dict[str, Json] | None, Collection[str]] | None = None


def rollouts(registry: Registry) -> dict[str, Json]:
    """All that is remembered: by deployment `hosts`, and `fleet` where there is that."""
    found: dict[str, dict[str, Json]] = {}
    with registry.database.reading() as session:
        for row in steering.rollouts(session):
            document = canonical.decode_object(row.document, what=_WHAT)
            one = found.setdefault(row.deployment, {"hosts": {}})
            if row.host:
                fields.mapping(one, "hosts", what=_WHAT)[row.host] = document
            else:
                one["fleet"] = document
    return dict(found)


def remember(
    registry: Registry, changed: Mapping[str, Changed], *, holder: str, by: Caller
) -> None:
    """Keep what `holder` knows of these deployments.

    Raises Conflict, and changes nothing, unless every host that is spoken of is the holder's.
    """
    documents: dict[tuple[str, str], bytes | None] = {}
    spoken: set[str] = set()
    for key, change in changed.items():
        deployment = _deployment(key)
        for host, document in change.hosts.items():
            documents[deployment, names.host(host)] = _encoded(document)
            spoken.add(host)
        if change.fleet is not None:
            documents[deployment, ""] = _encoded(change.fleet[0])
            spoken.update(change.fleet[1])
    with registry.database.writing() as session:
        now = clock.now(session)
        require_held(session, spoken, holder=holder, now=now)
        steering.remember(session, documents, by=by.actor, now=now)
        session.commit()


def require_held(session: Session, hosts: Collection[str], *, holder: str, now: datetime) -> None:
    """Raise Conflict where one of `hosts` is not the holder's; it stays so until the commit."""
    held = steering.held(session, hosts, holder=holder, now=now)
    if lost := sorted(set(hosts) - held.keys()):
        raise errors.Conflict(
            f"{holder} has no lease on {', '.join(lost[:5])}",
            fix="nothing: another reconciler acts there, or the lease ended and is taken again",
        )


def taken(row: HostLease, *, holder: str, now: datetime, until: datetime) -> bool:
    """Whether the lease is `holder`'s from now on."""
    if row.holder != holder and row.expires_at > now:
        return False
    if row.holder != holder or row.epoch == 0:
        row.epoch += 1
    row.holder, row.expires_at = holder, until
    return True


def _deployment(key: str) -> str:
    environment, _, name = key.partition("/")
    names.slug(environment, what="environment")
    names.slug(name, what="deployment name")
    return key


def _encoded(document: dict[str, Json] | None) -> bytes | None:
    return None if document is None else canonical.encode(document)
