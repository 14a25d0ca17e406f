"""Lets versions expire by rule: gathered here, decided in `registry.core.retention`, applied here.

The plan is the dry run. Applying goes in small transactions, and leaves out every version that
somebody touched since the plan was made.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from registry import errors
from registry.core import entries, in_use, retention
from registry.core.entries import Kind
from registry.core.retention import Decision, Expire, Facts, Key
from registry.db import holds, reports, tables, versions
from registry.db import log as log_rows
from registry.db import retention as rows
from registry.db.engine import Session
from registry.usecases import log
from registry.usecases.access import Caller
from registry.usecases.opening import Registry

_TOGETHER = 25

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it, and of how much."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would go, as of a log of `log_size` entries."""

    decisions: Sequence[Decision]
    log_size: int

    @property
    def expiring(self) -> list[Expire]:
        return [one for one in self.decisions if isinstance(one, Expire)]


def plan(registry: Registry, *, now: datetime | None = None) -> Plan:
    """Decide on every version; changes nothing."""
    moment = now or datetime.now(UTC)
    settings = registry.settings.retention
    with registry.database.reading() as session:
        head = log_rows.head(session)
        known = _gather(session, since=moment - timedelta(days=settings.rollback_window_days))
        found = rows.versions(session)
    decisions = retention.plan(found, known, settings.rules, moment)
    return Plan(decisions, head.size if head else 0)


def apply(
    registry: Registry, planned: Plan, by: Caller, progress: Progress = lambda *_: None
) -> list[Expire]:
    """Expire what the plan says, but for what was touched since; gives what expired.

    The bytes go with the next sweep. Record, digest, signatures and log entries stay.
    """
    done: list[Expire] = []
    expiring = planned.expiring
    for start in range(0, len(expiring), _TOGETHER):
        progress("expiring", start, len(expiring))
        done += _expire(registry, planned, expiring[start : start + _TOGETHER], by)
    progress("expiring", len(expiring), len(expiring))
    return done


def require_undeployed(session: Session, model: str, version: int | None) -> None:
    """Raise Conflict where a deployment wants or serves the version, or any of the model's.

    A deployment whose status cannot be read may run anything.
    """
    for name, mentioned in _mentioned(session):
        if mentioned is None:
            raise errors.Conflict(
                f"the status of deployment {name} cannot be read: it may run this version",
                fix="let the reconciler report it again, or drop the status if it is no more",
            )
        found = sorted(key for key in mentioned if key[0] == model and version in {None, key[1]})
        if found:
            raise errors.Conflict(
                f"{model}@{found[0][1]} is deployed: {name} wants or serves it",
                fix="deploy another version first, or take the deployment out of Git",
            )


def _gather(session: Session, *, since: datetime) -> Facts:
    deployed: dict[Key, str] = {}
    unreadable: list[str] = []
    current: dict[str, frozenset[str]] = {}
    for row in reports.deployments(session):
        name = f"{row.environment}/{row.name}"
        mentioned = in_use.mentions(row.document)
        current[name] = in_use.hosts(row.document)
        if mentioned is None:
            unreadable.append(name)
        for key in mentioned or ():
            deployed.setdefault(key, f"deployment {name} wants or serves it")
    runs = in_use.Runs()
    for leaf in rows.leaves(session, in_use.ROUTED):
        runs.add(entries.decode(leaf))
    held = holds.active(session)
    return Facts(
        deployed=deployed,
        last_good=runs.way_back(current),
        in_window={
            key: f"at work on {at:%Y-%m-%d}, entry {index} of the log"
            for key, (index, at) in rows.last_at_work(session, in_use.AT_WORK, since=since).items()
        },
        aliased={key: f"alias {', '.join(names)}" for key, names in rows.aliases(session).items()},
        held={
            (one.model, one.version): f"hold {one.id}: {one.reason}"
            for one in held
            if one.version is not None
        },
        held_models={
            one.model: f"hold {one.id}: {one.reason}" for one in held if one.version is None
        },
        unreadable=unreadable,
    )


def _mentioned(session: Session) -> Iterator[tuple[str, frozenset[Key] | None]]:
    for row in reports.deployments(session):
        yield f"{row.environment}/{row.name}", in_use.mentions(row.document)


def _expire(registry: Registry, planned: Plan, batch: Sequence[Expire], by: Caller) -> list[Expire]:
    """One transaction. Whatever could speak for a version since the plan is in the log."""
    done: list[Expire] = []
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        touched = rows.spoken_of(session, start=planned.log_size, by_kinds_but=(Kind.EXPIRED,))
        for one in batch:
            version = versions.find(session, one.version.model, one.version.number)
            is_touched = bool({one.version.key, (one.version.model, 0)} & touched)
            if version is None or version.status != tables.READY or is_touched:
                continue
            _let_go(session, registry, version, one.reason, by)
            done.append(one)
        session.commit()
    return done


def _let_go(
    session: Session, registry: Registry, version: tables.Version, reason: str, by: Caller
) -> None:
    now = datetime.now(UTC)
    rows.drop_files(session, version.id)
    version.status, version.status_message, version.updated_at = tables.EXPIRED, reason, now
    entry = entries.Entry(
        time=log.stamp(now),
        kind=Kind.EXPIRED,
        actor=by.actor,
        model=version.model,
        version=version.version,
        digest=version.digest or "",
        reason=reason,
    )
    log.append(session, registry, entry, now=now)
