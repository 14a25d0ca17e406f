"""One deployment on one host: its sync, health and trust, each with the reason."""

from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.fleet import Fleet
from reconciler.core.observed import Health as EngineHealth
from reconciler.core.observed import Instance, InstanceSpec, Phase
from reconciler.core.reasons import Why
from reconciler.core.rollout import Quarantined, Verdict
from reconciler.core.seat import Seat, is_healthy
from reconciler.core.stage import Stage, View
from reconciler.core.strategies.progress import Progress, State


class Sync(StrEnum):
    """Whether hosts serve what Git asks for."""

    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class Health(StrEnum):
    """How serving does, worst first."""

    DEGRADED = "Degraded"
    MISSING = "Missing"
    UNREACHABLE = "Unreachable"
    UNKNOWN = "Unknown"
    PROGRESSING = "Progressing"
    SUSPENDED = "Suspended"
    HEALTHY = "Healthy"


class Trust(StrEnum):
    """Whether the version asked for was proven good, worst first."""

    REFUSED = "Refused"
    UNVERIFIED = "Unverified"
    VERIFIED = "Verified"


_RESTS = {
    State.PAUSED: "is accepted and waits for promotion",
    State.HELD: "is held:",
    State.ENDED: "was only looked at, and has left again",
}


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One deployment on one host; `stage` is how far the version asked for has come."""

    host: str
    sync: Sync
    health: Health
    trust: Trust
    reason: str = ""
    trust_reason: str = ""
    serving: Instance | None = None
    stage: Stage | None = None


def of_view(view: View, entry: Quarantined | None, progress: Progress | None = None) -> HostStatus:
    """A host that can be reached; `entry` is the quarantine of what Git asks for, if any, and
    `progress` how far its rollout is."""
    seat, stage = view.seat, view.stage()
    is_routed = seat.is_routed(view.wanted)
    trust, trust_reason = _trust(view, entry)
    health, reason = _settled_health(seat, view.wanted)
    if not view.is_settled:
        health, reason = _moving_health(view, stage, entry, progress)
    return HostStatus(
        host=view.host,
        sync=Sync.SYNCED if is_routed and seat.instance_of(view.wanted) else Sync.OUT_OF_SYNC,
        health=health,
        trust=trust,
        reason=reason,
        trust_reason=trust_reason,
        serving=seat.serving(),
        stage=stage,
    )


def of_absent(fleet: Fleet, key: str, host: str) -> HostStatus:
    """A host that cannot be reached or is not declared."""
    facts = fleet.rollout(key).on(host)
    trust = Trust.UNVERIFIED if facts.last_good is None else Trust.VERIFIED
    why = fleet.absence(key, host).reason.text
    return HostStatus(host, Sync.UNKNOWN, Health.UNREACHABLE, trust, f"{host}: {why}")


def of_kept(fleet: Fleet, key: str, host: str, sync: Sync) -> HostStatus:
    """A host that keeps what it has, since Git says nothing valid about the deployment."""
    if not fleet.reaches(host):
        return of_absent(fleet, key, host)
    seat = fleet.seat(key, host)
    good = seat.facts.last_good
    health, reason = (Health.UNKNOWN, "") if good is None else _settled_health(seat, good)
    trust = Trust.UNVERIFIED if good is None else Trust.VERIFIED
    return HostStatus(host, sync, health, trust, reason, serving=seat.serving())


def _settled_health(seat: Seat, good: InstanceSpec) -> tuple[Health, str]:
    instance, version = seat.instance_of(good), f"version {good.version}"
    if instance is None or not seat.is_routed(good):
        return Health.MISSING, f"{version} should serve and does not"
    if instance.phase is Phase.EXITED:
        return Health.DEGRADED, f"{version} {instance.ending}"
    if instance.health in (EngineHealth.UNHEALTHY, EngineHealth.REFUSED):
        return Health.DEGRADED, f"{version} is {instance.health} {instance.detail}".rstrip()
    if not is_healthy(instance):
        return Health.PROGRESSING, f"{version} is starting {instance.detail}".rstrip()
    if not seat.ingress_ready:
        return Health.DEGRADED, "the ingress is not running"
    drift = instance.drift or seat.ingress_drift
    return (Health.DEGRADED, f"{version} serves: {drift}") if drift else (Health.HEALTHY, "")


def _moving_health(
    view: View, stage: Stage, entry: Quarantined | None, progress: Progress | None
) -> tuple[Health, str]:
    version = f"version {view.wanted.version}"
    if entry is not None:
        good = view.seat.facts.last_good
        where = "nothing to go back to" if good is None else f"rolled back to {good.version}"
        return Health.DEGRADED, f"{version} is quarantined, {where}: {entry.reason}"
    if failed := _failed(view):
        return Health.DEGRADED, failed
    serves = is_healthy(view.seat.serving())
    if stage in (Stage.REFUSED, Stage.BLOCKED):
        known = view.seat.facts.preflight
        said = f"{version} is {stage}: {'; '.join(known.reasons) if known else ''}"
        return (Health.HEALTHY if serves else Health.MISSING), said
    if progress is not None and progress.state in _RESTS:
        return Health.SUSPENDED, f"{version} {_RESTS[progress.state]} {progress.reason}".rstrip()
    if stage is Stage.ROUTED and not serves:
        return Health.DEGRADED, f"{version} has the traffic and is not healthy"
    return Health.PROGRESSING, f"{version} is {stage}"


def _failed(view: View) -> str:
    """Also once the host has gone back alone."""
    if mark := view.gave_up:
        good = view.seat.facts.last_good
        serves = "nothing to go back to" if good is None else f"version {good.version} serves"
        return f"version {view.wanted.version} failed, {serves}: {mark.reason}"
    failed = view.failure()
    return "" if failed is None else failed.text


def _trust(view: View, entry: Quarantined | None) -> tuple[Trust, str]:
    instance = view.seat.instance_of(view.wanted)
    if instance is not None and instance.health is EngineHealth.REFUSED:
        return Trust.REFUSED, instance.detail
    if entry is not None and entry.code == Why.REFUSED_BY_RUNTIME and not view.is_settled:
        return Trust.REFUSED, entry.reason
    known = view.seat.facts.preflight
    is_about_it = known is not None and known.spec_hash == view.wanted.spec_hash
    if known is not None and is_about_it and known.verdict is Verdict.REFUSED:
        return Trust.REFUSED, "; ".join(known.reasons)
    if view.is_settled or (known is not None and is_about_it and known.verdict is Verdict.PASSED):
        return Trust.VERIFIED, ""
    said = "; ".join(known.reasons) if known is not None and is_about_it else "not checked yet"
    return Trust.UNVERIFIED, said
