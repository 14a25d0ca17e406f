"""What hosts have and hold, and the last lines that their instances wrote.

Only the newest report of a host is kept, and none for longer than a day. Lines are what whoever
looks after a host chose to tell: they are no part of the log, of a backup or of an export, they
go with the version that wrote them, and of an erased version none are taken any more.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from registry import errors
from registry.core import canonical, host_report, names
from registry.core.canonical import Json
from registry.db import host_reports as rows
from registry.db.engine import Session
from registry.db.tables_host_reports import HostReport, InstanceLog
from registry.usecases import scoping
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Written:
    """The last `lines` of one instance of `environment`/`name`."""

    instance: str
    environment: str
    name: str
    model: str
    version: int
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """`document` is what the host has and what its instances hold."""

    document: Mapping[str, Json]
    page_logs: int
    written: Sequence[Written] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """The last report of a host, and when it came."""

    at: datetime
    page_logs: int
    document: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Lines:
    """Of one instance, as they were told `at`."""

    host: str
    instance: str
    model: str
    version: int
    at: datetime
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Logs:
    """Of some hosts of a deployment: `told` is how many lines of each instance each host tells, 0
    where it keeps them; hosts of which nothing was told lately are not in it."""

    told: Mapping[str, int] = field(default_factory=dict)
    written: Sequence[Lines] = ()


def tell(registry: Registry, host: str, report: Report, *, by: Caller) -> None:
    """Keep `report` in place of the last one; raises Forbidden for another's host, InvalidInput."""
    if by.role is Role.AGENT and by.name != host:
        raise errors.Forbidden(
            f"agent {by.name!r} may tell of its own host only", fix="use that host's own token"
        )
    now = datetime.now(UTC)
    row = HostReport(
        host=names.host(host),
        reported_by=by.actor,
        reported_at=now,
        page_logs=report.page_logs,
        document=canonical.encode(dict(report.document)),
    )
    with registry.database.writing() as session:
        rows.forget_before(session, now - timedelta(seconds=host_report.KEPT_S))
        rows.replace(session, row)
        if report.page_logs:
            rows.add_logs(session, _kept(session, host, report, now))
        session.commit()


def of_host(registry: Registry, host: str) -> Known | None:
    """What was told of the host within the last day."""
    with registry.database.reading() as session:
        found = rows.find(session, host)
        if found is None or _is_old(found.reported_at):
            return None
        said = canonical.decode_object(found.document, what="host report")
        return Known(found.reported_at, found.page_logs, said)


def of_deployment(
    registry: Registry, environment: str, name: str, hosts: Collection[str], by: Caller
) -> Logs:
    """Lines of the deployment on `hosts`, of models that the caller may read."""
    with registry.database.reading() as session:
        told = {
            host: lines
            for host, (at, lines) in rows.told(session, hosts).items()
            if not _is_old(at)
        }
        found = [
            Lines(
                one.host,
                one.instance,
                one.model,
                one.version,
                one.written_at,
                tuple(one.text.decode().split("\n")) if one.text else (),
            )
            for one in rows.logs(session, environment, name, told)
            if told[one.host]
        ]
    return Logs(told, scoping.only(registry, by.scope, found, lambda one: one.model))


def _is_old(at: datetime) -> bool:
    return (datetime.now(UTC) - at).total_seconds() > host_report.KEPT_S


def _kept(session: Session, host: str, report: Report, now: datetime) -> list[InstanceLog]:
    """Rows of what is about versions that stand, and fits."""
    standing = rows.standing(session, {(one.model, one.version) for one in report.written})
    known = [one for one in report.written if (one.model, one.version) in standing]
    room = _Room(rows.sizes(session, host, {(one.environment, one.name) for one in known}))
    return [
        InstanceLog(
            host=host,
            instance=one.instance,
            environment=one.environment,
            name=one.name,
            model=one.model,
            version=one.version,
            written_at=now,
            size=len(text),
            text=text,
        )
        for one in known
        for text in [room.take((one.environment, one.name), one.lines)]
    ]


class _Room:
    """How much may still be kept: of an instance, of a deployment here and everywhere, of a host.
    `elsewhere` is what other hosts have, by deployment."""

    def __init__(self, elsewhere: Mapping[tuple[str, str], int]) -> None:
        self._elsewhere = elsewhere
        self._here: dict[tuple[str, str], int] = {}
        self._left = host_report.HOST_BYTES

    def take(self, deployment: tuple[str, str], lines: Sequence[str]) -> bytes:
        """The last of `lines` that fit, as they are kept."""
        here = self._here.get(deployment, 0)
        most = min(
            host_report.INSTANCE_BYTES,
            host_report.DEPLOYMENT_BYTES - here,
            host_report.FLEET_BYTES - here - self._elsewhere.get(deployment, 0),
            self._left,
        )
        kept: list[str] = []
        for line in reversed(lines):
            most -= host_report.size(line)
            if most < 0:
                break
            kept.append(line)
        text = "\n".join(reversed(kept)).encode(errors="replace")
        self._here[deployment] = here + len(text)
        self._left -= len(text)
        return text
