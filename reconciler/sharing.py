"""What is remembered of rollouts, kept in the registry too, for whoever takes over.

The registry takes it only from the reconciler whose hosts it is about, and nothing of a message
that speaks of another's: so what is of hosts that are not ours is not sent, whoever changed it
last. What it could not take yet is sent with the next change: a successor that knows less begins a
rollout anew, with all its tests; it never skips any.
"""

import json
from collections.abc import Callable, Collection

import structlog

from reconciler import client
from reconciler.core import rolloutjson, shares
from reconciler.core.rollout import NO_ROLLOUT, Rollout, Rollouts
from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json

log = structlog.get_logger()
_WHAT = "shared rollouts"


class Shared:
    """`_sent` is what the registry has of us, `_unsent` names what it may not have, `ours` says on
    which hosts we have a lease now. Not safe from several threads: memory's lock is."""

    def __init__(self, registry: client.Registry, holder: str) -> None:
        self._registry = registry
        self._holder = holder
        self._sent: dict[str, Rollout] = {}
        self._unsent: set[str] = set()
        self.ours: Callable[[], Collection[str]] = frozenset

    def taken_over(self, mine: Rollouts, gained: Collection[str]) -> Rollouts:
        """`mine`, with what others know of the hosts that have become ours; raises Unavailable."""
        found = self._registry.rollouts()
        deployments = {key: _joined(fields.mapping(found, key, what=_WHAT)) for key in found}
        document = canonical.encode({"format": rolloutjson.FORMAT, "deployments": deployments})
        shared = rolloutjson.load(document)
        taken = shares.taken_over(mine, shared, gained)
        self._sent = {key: shared[key] for key in shared if shared[key] == taken.get(key)}
        self._unsent = {*taken, *shared}
        return taken

    def send(self, rollouts: Rollouts, changed: Collection[str]) -> None:
        """Let the registry have what has changed, if it answers."""
        self._unsent |= set(changed)
        ours = frozenset(self.ours())
        keys = [key for key in self._unsent if self._is_ours(key, rollouts, ours)]
        news = {key: change for key in keys if (change := self._change(key, rollouts, ours))}
        try:
            if news:
                self._registry.remember(self._holder, news)
        except errors.PlimsollError as error:
            log.warning("what is remembered was not shared yet", error=error.detail)
            return
        for key in keys:
            if key in rollouts:
                self._sent[key] = rollouts[key]
            else:
                self._sent.pop(key, None)
        self._unsent.difference_update(keys)

    def _is_ours(self, key: str, rollouts: Rollouts, ours: Collection[str]) -> bool:
        """Whether it is for us to tell of a deployment: what no host is spoken of is anybody's."""
        known = (rollouts.get(key, NO_ROLLOUT), self._sent.get(key, NO_ROLLOUT))
        hosts = {host for one in known for host in one.hosts}
        return not hosts or not hosts.isdisjoint(ours)

    def _change(self, key: str, rollouts: Rollouts, ours: Collection[str]) -> dict[str, Json]:
        """What the registry must be told of one deployment; empty where that is nothing."""
        if rollouts.get(key) is self._sent.get(key):
            return {}
        before = _parts(key, self._sent.get(key, NO_ROLLOUT))
        after = _parts(key, rollouts.get(key, NO_ROLLOUT))
        hosts: dict[str, Json] = {
            host: after[0].get(host)
            for host in sorted(before[0].keys() | after[0].keys())
            if host in ours and after[0].get(host) != before[0].get(host)
        }
        if before[1] == after[1] and key in rollouts and key in self._sent:
            return {"hosts": hosts} if hosts else {}
        fleet: Json = after[1] if key in rollouts else None
        spoken_of = after[0] or before[0]
        targets: list[Json] = [host for host in spoken_of if host in ours]
        if spoken_of and not targets:
            return {"hosts": hosts} if hosts else {}
        return {"hosts": hosts, "fleet": {"document": fleet, "targets": targets}}


def _parts(key: str, rollout: Rollout) -> tuple[dict[str, Json], dict[str, Json]]:
    """What is of each host, and what is of all."""
    whole = json.loads(rolloutjson.dump({key: rollout}))["deployments"][key]
    hosts = whole.pop("hosts")
    return hosts, whole


def _joined(shared: dict[str, Json]) -> dict[str, Json]:
    fleet = shared.get("fleet")
    whole = fleet if isinstance(fleet, dict) else _parts("", NO_ROLLOUT)[1]
    return {**whole, "hosts": shared.get("hosts")}
