"""The three statuses of every deployment, always separate: sync, health and trust.

Computed here and nowhere else, from what the planner starts from, so that no two surfaces can
disagree; `documents` is the form that is shown everywhere.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Self, TypeAlias

from reconciler.core import (
    actions,
    draining,
    hoststatus,
    losses,
    pinning,
    plan,
    rolloutstatus,
    wording,
)
from reconciler.core.desired import Deployment, DesiredState
from reconciler.core.experiments import report
from reconciler.core.fleet import Fleet, Observed
from reconciler.core.gittrust import Provenance, Refused
from reconciler.core.hoststatus import Health, HostStatus, Sync, Trust
from reconciler.core.observed import Instance, InstanceSpec
from reconciler.core.planned import Steps
from reconciler.core.rollout import Quarantined, Rollout, Rollouts
from registry.core import hostlist
from registry.core.canonical import Json

Document: TypeAlias = dict[str, Json]


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """One deployment; each status is that of its worst host, with that host's reason."""

    deployment: str
    commit: str
    wanted: InstanceSpec | None
    sync: Sync
    sync_reason: str
    health: Health
    health_reason: str
    trust: Trust
    trust_reason: str
    hosts: tuple[HostStatus, ...]
    quarantined: tuple[Quarantined, ...]


def _behind(status: DeploymentStatus, refused: Refused) -> DeploymentStatus:
    """Git has a newer commit that may not be in force: what it asks for here nobody knows."""
    said = f"{refused.reason}. Fix: {refused.fix}"
    is_known = status.sync is not Sync.UNKNOWN
    return replace(
        status,
        sync=Sync.OUT_OF_SYNC if is_known else status.sync,
        sync_reason=said if is_known else status.sync_reason,
        trust=Trust.REFUSED,
        trust_reason=refused.reason,
    )


def compute(
    desired: DesiredState, observed: Observed, rollouts: Rollouts, now: float
) -> tuple[DeploymentStatus, ...]:
    """The status of everything that Git asks for, and of what it no longer asks for."""
    fleet = Fleet(desired, observed, rollouts, now)
    found = (of(fleet, key, desired.refused) for key in sorted(fleet.keys()))
    return tuple(status for status in found if status is not None)


def of(fleet: Fleet, key: str, refused: Refused | None) -> DeploymentStatus | None:
    """The status of `key`; None where there is nothing of it that is ours."""
    deployment = fleet.deployment(key)
    if deployment is None and not fleet.held(key):
        hosts = fleet.leftovers(key)
        status = _leaving(fleet, key, hosts) if hosts else None
    elif fleet.is_elsewhere(key):
        status = None
    else:
        status = _held(fleet, key) if deployment is None else _wanted(fleet, deployment)
    return status if status is None or refused is None else _behind(status, refused)


def documents(
    desired: DesiredState, observed: Observed, rollouts: Rollouts, now: float
) -> dict[str, Document]:
    """The JSON form by deployment, with what happens next and what is waited for."""
    fleet, git = Fleet(desired, observed, rollouts, now), Git.of(desired)
    found = ((key, document(fleet, key, git, plan.steps)) for key in sorted(fleet.keys()))
    return {key: status for key, status in found if status}


@dataclass(frozen=True, slots=True)
class Git:
    """What all statuses say of Git."""

    commit: str
    provenance: Provenance
    refused: Refused | None

    @classmethod
    def of(cls, desired: DesiredState) -> Self:
        """As it is in `desired`."""
        return cls(desired.commit, desired.provenance, desired.refused)


def document(fleet: Fleet, key: str, git: Git, planned: Callable[[Fleet, str], Steps]) -> Document:
    """The JSON form of the status of `key`; empty where there is none."""
    status = of(fleet, key, git.refused)
    if status is None:
        return {}
    steps = [step for _, step in planned(fleet, key)]
    waits = [step for step in steps if isinstance(step, actions.Wait)]
    return {
        **_document(status),
        "git": _git_document(git),
        "rollout": rolloutstatus.document(fleet.deployment(key), fleet.rollout(key)),
        "answer": _answer_document(fleet.rollout(key)),
        "pin": _pin_document(fleet.rollout(key)),
        "experiment": _experiment_document(fleet.rollout(key)),
        "next": [wording.document(step) for step in steps if not isinstance(step, actions.Wait)],
        "waiting": [wording.wait_document(wait) for wait in waits],
    }


def _answer_document(known: Rollout) -> Json:
    """What became of the last thing that a person asked for; None where nobody did."""
    found = known.answer
    return None if found is None else {"refused": found.refused, "text": found.text}


def _experiment_document(known: Rollout) -> Json:
    """The one under way, or the last one; None where there was none."""
    return None if known.experiment is None else report.document(known.experiment)


def _pin_document(known: Rollout) -> Json:
    """At which version it is held, by whom, until when (seconds since the epoch) and why."""
    pin = known.pin
    if pin is None:
        return None
    return {
        "version": pin.version,
        "digest": pin.digest,
        "reason": pin.reason,
        "by": pin.by,
        "until": pin.until,
    }


def _wanted(fleet: Fleet, deployment: Deployment) -> DeploymentStatus:
    if deployment.trial is not None:
        # Git asks for both: the version of its file, and the experiment beside it.
        deployment = pinning.of_git(deployment)
    rollout = fleet.rollout(deployment.key)
    entry = rollout.quarantine_of(deployment.revision)
    progress = rollout.progress
    if progress is not None and progress.revision != deployment.revision:
        progress = None
    views = {view.host: view for view in fleet.views(deployment)}
    hosts = [
        hoststatus.of_view(views[host], entry, progress)
        if host in views
        else hoststatus.of_absent(fleet, deployment.key, host)
        for host in deployment.hosts
    ]
    if deployment.manifest.spec.suspend:
        hosts = [_suspended(host, "suspend: true in Git") for host in hosts]
    drained = {host for host, view in views.items() if draining.is_aside(fleet, view)}
    hosts = [
        _suspended(host, f"drain: true in models.d/hosts/{host.host}.yaml")
        if host.host in drained
        else host
        for host in hosts
    ]
    wanted = deployment.spec_on(next(iter(deployment.hosts), ""), fleet.commit)
    status = _summary(fleet, deployment.key, wanted, hosts)
    if deployment.pin is not None:
        version = pinning.of_git(deployment).manifest.spec.model.version
        said = f"{pinning.words(deployment.pin)}; Git asks for version {version}"
        status = replace(status, sync=Sync.OUT_OF_SYNC, sync_reason=said)
    elif entry is not None and status.sync is not Sync.SYNCED:
        status = replace(status, sync_reason=f"version {wanted.version} is quarantined")
    if deployment.kept:
        said = f"{deployment.path} stays as it was: {deployment.kept}"
        return replace(status, sync=Sync.OUT_OF_SYNC, sync_reason=said)
    return status


def _suspended(host: HostStatus, why: str) -> HostStatus:
    return replace(host, health=Health.SUSPENDED, reason=why)


def _held(fleet: Fleet, key: str) -> DeploymentStatus:
    hosts = sorted(fleet.places(key))
    found = [hoststatus.of_kept(fleet, key, host, Sync.UNKNOWN) for host in hosts]
    status = _summary(fleet, key, None, found)
    return replace(status, sync=Sync.UNKNOWN, sync_reason=fleet.held(key)[0].detail)


def _leaving(fleet: Fleet, key: str, hosts: Iterable[str]) -> DeploymentStatus:
    found = [hoststatus.of_kept(fleet, key, host, Sync.OUT_OF_SYNC) for host in sorted(hosts)]
    status = _summary(fleet, key, None, found)
    return replace(status, sync=Sync.OUT_OF_SYNC, sync_reason="no longer in Git")


def _summary(
    fleet: Fleet, key: str, wanted: InstanceSpec | None, hosts: list[HostStatus]
) -> DeploymentStatus:
    healths, trusts = list(Health), list(Trust)
    sickest = min(hosts, key=lambda host: healths.index(host.health), default=None)
    least = min(hosts, key=lambda host: trusts.index(host.trust), default=None)
    is_synced = all(host.sync is Sync.SYNCED for host in hosts)
    differing = hostlist.folded(host.host for host in hosts if host.sync is not Sync.SYNCED)
    return DeploymentStatus(
        deployment=key,
        commit=fleet.commit,
        wanted=wanted,
        sync=Sync.SYNCED if is_synced else Sync.OUT_OF_SYNC,
        sync_reason="" if is_synced else f"not yet on {differing}",
        health=Health.MISSING if sickest is None else sickest.health,
        health_reason="" if sickest is None else _where(sickest, hosts),
        trust=Trust.UNVERIFIED if least is None else least.trust,
        trust_reason="" if least is None else least.trust_reason,
        hosts=tuple(hosts),
        quarantined=fleet.rollout(key).in_force,
    )


def _where(sickest: HostStatus, hosts: list[HostStatus]) -> str:
    """Its reason, and which hosts are as sick, where that is not all of them."""
    alike = {host.host for host in hosts if host.health is sickest.health}
    if sickest.health not in (Health.DEGRADED, Health.MISSING) or len(alike) == len(hosts):
        return sickest.reason
    return f"on {losses.names(alike)}: {sickest.reason}"


def _document(status: DeploymentStatus) -> dict[str, Json]:
    environment, _, name = status.deployment.partition("/")
    return {
        "deployment": status.deployment,
        "environment": environment,
        "name": name,
        "commit": status.commit,
        "desired": None if status.wanted is None else _version(status.wanted),
        "sync": {"status": status.sync, "reason": status.sync_reason},
        "health": {"status": status.health, "reason": status.health_reason},
        "trust": {"status": status.trust, "reason": status.trust_reason},
        "hosts": [_host_document(host) for host in status.hosts],
        "quarantined": [_quarantine_document(entry) for entry in status.quarantined],
    }


def _git_document(git: Git) -> dict[str, Json]:
    who, refused = git.provenance, git.refused
    return {
        "commit": git.commit,
        "signer": who.signer,
        "author": who.author,
        "verified": who.verified,
        "refused": None if refused is None else asdict(refused),
    }


def _host_document(host: HostStatus) -> dict[str, Json]:
    serving: dict[str, Json] | None = None
    if host.serving is not None:
        serving = {**_version(host.serving), "instance": host.serving.name}
    return {
        "host": host.host,
        "sync": host.sync,
        "health": host.health,
        "trust": host.trust,
        "reason": host.reason,
        "trustReason": host.trust_reason,
        "serving": serving,
        "stage": host.stage,
    }


def _quarantine_document(entry: Quarantined) -> dict[str, Json]:
    return {
        **_version(entry.spec),
        "revision": entry.revision,
        "host": entry.host,
        "code": entry.code,
        "reason": entry.reason,
        "at": entry.at,
        "branch": entry.reverted,
        "by": entry.by,
        "request": None if entry.request is None else entry.request.url,
    }


def _version(of: InstanceSpec | Instance) -> dict[str, Json]:
    return {"model": of.model, "version": of.version, "digest": of.digest, "commit": of.commit}
