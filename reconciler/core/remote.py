"""Hosts that look after themselves: who leaves them alone, and how they are shown. Pure.

Of one commit everybody reads the same: a host is its agent's, or the reconciler's. `without` and
`only` cut a desired state in two along that line, so that neither can plan for the other's hosts.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from reconciler.core import masters, shares
from reconciler.core.desired import Deployment, DesiredState
from reconciler.core.hoststatus import Health, Sync, Trust
from reconciler.core.rollout import Rollouts
from registry.core.canonical import Json

# An agent tells of itself every twenty seconds.
SILENT_S = 120.0


@dataclass(frozen=True, slots=True)
class Report:
    """What the agent of a host told last, and when it was heard of last, by the registry's clock;
    `silent_s` is how long ago that was."""

    document: Mapping[str, Json]
    seen_at: float
    silent_s: float = 0.0

    def is_news(self, before: "Report | None") -> bool:
        """Whether it says another thing than `before`, the time apart."""
        if before is None or (self.silent_s > SILENT_S) != (before.silent_s > SILENT_S):
            return True
        return self.document is not before.document and self.document != before.document


def managed(state: DesiredState) -> frozenset[str]:
    """The hosts whose files say that an agent looks after them."""
    return frozenset(host for host, kind in state.hosts.items() if masters.is_own(kind))


def without(state: DesiredState, away: Collection[str]) -> DesiredState:
    """`state` for a reconciler that leaves the hosts `away` to their agents."""
    gone = frozenset(away)
    if not gone:
        return state
    remote = {
        key: tuple(host for host in one.hosts if host in gone)
        for key, one in state.deployments.items()
        if not gone.isdisjoint(one.hosts)
    }
    kept = {
        key: _on(one, (host for host in one.hosts if host not in gone)) if key in remote else one
        for key, one in state.deployments.items()
    }
    return replace(
        state,
        hosts={host: kind for host, kind in state.hosts.items() if host not in gone},
        deployments=kept,
        remote=remote,
        away=gone,
    )


def only(state: DesiredState, rollouts: Rollouts, hosts: Collection[str]) -> DesiredState:
    """`state` for the agent of `hosts`: those of them whose files say that they are its own.

    Deployments that other hosts share are planned as if this were the only one. What an agent
    finds out it tells the registry; it proposes nothing to Git.
    """
    ours = managed(state) & frozenset(hosts)
    kept = {
        key: _on(one, (host for host in one.hosts if host in ours))
        for key, one in state.deployments.items()
    }
    narrowed = replace(state, deployments=kept, proposes=False)
    return shares.restricted(narrowed, rollouts, ours, is_first=False)


def known(rollouts: Rollouts, away: Collection[str]) -> Rollouts:
    """What is remembered of all hosts but those that are away."""
    if not away:
        return rollouts
    hosts = {host for rollout in rollouts.values() for host in rollout.hosts}
    return shares.known(rollouts, hosts - frozenset(away))


def joined(
    document: dict[str, Json], key: str, hosts: Collection[str], reports: Mapping[str, Report]
) -> dict[str, Json]:
    """The status of the deployment `key`, with what agents say of it on `hosts`, their own."""
    if not hosts or not document:
        return document
    rows = [_row(document, key, host, reports.get(host)) for host in hosts]
    return _with(document, rows, _quarantined(key, hosts, reports))


def _on(deployment: Deployment, hosts: Iterable[str]) -> Deployment:
    return replace(deployment, hosts=tuple(hosts))


def _row(
    document: Mapping[str, Json], key: str, host: str, report: Report | None
) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "host": host,
        "sync": Sync.UNKNOWN.value,
        "health": Health.UNKNOWN.value,
        "trust": Trust.UNVERIFIED.value,
        "reason": f"{host}: its agent has not told of it yet",
        "trustReason": "",
        "serving": None,
        "stage": None,
        "managedBy": "agent",
        "reportedAt": "",
    }
    if report is None:
        return shown
    at = datetime.fromtimestamp(report.seen_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = _said(report, key, host)
    told: dict[str, Json] = {**shown, **said, "managedBy": "agent", "reportedAt": at}
    if report.silent_s > SILENT_S:
        told["sync"], told["health"] = Sync.UNKNOWN.value, Health.UNKNOWN.value
        told["reason"] = f"{host}: its agent was heard of last at {at}, then {_then(said)}"
    elif said.get("sync") == Sync.SYNCED and _digest(said, "serving") != _digest(
        document, "desired"
    ):
        commit = str(report.document.get("commit", ""))[:12]
        told["sync"] = Sync.OUT_OF_SYNC.value
        told["reason"] = f"{host}: its agent is at commit {commit or 'none'}"
    return told


def _said(report: Report, key: str, host: str) -> dict[str, Json]:
    """The host's own row of the deployment, in its agent's words."""
    documents = report.document.get("deployments")
    document = documents.get(key) if isinstance(documents, dict) else None
    for row in _objects(document, "hosts"):
        if row.get("host") == host:
            return row
    return {}


def _then(said: Mapping[str, Json]) -> str:
    return str(said.get("health") or "without this deployment")


def _with(
    document: dict[str, Json], rows: list[dict[str, Json]], quarantined: list[dict[str, Json]]
) -> dict[str, Json]:
    """The status of all hosts is that of the worst; a deployment's own hosts come first."""
    hosts = [*_objects(document, "hosts"), *rows]
    behind = [str(row["host"]) for row in hosts if row["sync"] != Sync.SYNCED]
    sickest = min(hosts, key=lambda row: _rank(Health, row["health"]))
    least = min(hosts, key=lambda row: _rank(Trust, row["trust"]))
    sync, before = Sync.SYNCED, document["sync"]
    if behind:
        sync = Sync.OUT_OF_SYNC
    is_plain = isinstance(before, dict) and before.get("status") == Sync.SYNCED
    said: Json = {
        "status": sync.value,
        "reason": f"not yet on {', '.join(behind)}" if behind else "",
    }
    return {
        **document,
        "sync": said if is_plain or not _objects(document, "hosts") else before,
        "health": {"status": sickest["health"], "reason": sickest["reason"]},
        "trust": {"status": least["trust"], "reason": least["trustReason"]},
        "hosts": list(hosts),
        "quarantined": [*_objects(document, "quarantined"), *quarantined],
    }


def _quarantined(
    key: str, hosts: Iterable[str], reports: Mapping[str, Report]
) -> list[dict[str, Json]]:
    found: list[dict[str, Json]] = []
    for host in hosts:
        told = reports[host].document.get("deployments") if host in reports else None
        found += _objects(told.get(key) if isinstance(told, dict) else None, "quarantined")
    return found


def _rank(order: type[Health] | type[Trust], value: Json) -> int:
    """Worst first; what this release does not know is worst of all."""
    known = [one.value for one in order]
    return known.index(str(value)) if value in known else -1


def _digest(document: Mapping[str, Json], name: str) -> str:
    version = document.get(name)
    return str(version.get("digest")) if isinstance(version, dict) else ""


def _objects(document: Json, name: str) -> list[dict[str, Json]]:
    items = document.get(name) if isinstance(document, dict) else None
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
