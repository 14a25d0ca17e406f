"""What runs, and what it would go back to: read from status documents and from the log. Pure.

A document that is not of the known form says nothing, and who gets `None` must assume the worst.
"""

from collections.abc import Collection, Iterator, Mapping

from registry.core.canonical import Json
from registry.core.entries import Entry, Kind
from registry.core.retention import Key

# A version named in one of these was at work, or about to be.
AT_WORK = (
    Kind.PULLED,
    Kind.VERIFIED,
    Kind.LOADED,
    Kind.PERMITTED,
    Kind.STARTING,
    Kind.STARTED,
    Kind.TESTED,
    Kind.DEPLOYING,
    Kind.DEPLOYED,
    Kind.SHIFTING,
    Kind.SHIFTED,
    Kind.RESTARTED,
    Kind.ROLLED_BACK,
)
ROUTED = (Kind.DEPLOYED, Kind.ROLLED_BACK, Kind.QUARANTINED)


def mentions(document: Json) -> frozenset[Key] | None:
    """Every version that a deployment's status names; None for a document of another form.

    What is wanted and what is served must be readable; whatever else looks like a version counts
    too: one too many is harmless.
    """
    if not isinstance(document, dict):
        return None
    hosts = document.get("hosts")
    if "desired" not in document or not isinstance(hosts, list):
        return None
    named = [document["desired"]]
    for host in hosts:
        if not isinstance(host, dict) or "serving" not in host:
            return None
        named.append(host["serving"])
    if any(one is not None and _key(one) is None for one in named):
        return None
    return frozenset(_found(document))


def hosts(document: Json) -> frozenset[str]:
    """The hosts that a readable status speaks of."""
    listed = document.get("hosts") if isinstance(document, dict) else None
    found = listed if isinstance(listed, list) else []
    names = [host.get("host") for host in found if isinstance(host, dict)]
    return frozenset(name for name in names if isinstance(name, str))


class Runs:
    """Which versions each deployment ran, in all and on each host, the latest last.

    A version that was quarantined counts no longer: nobody will go back to it.
    """

    def __init__(self) -> None:
        self._ran: dict[tuple[str, str], list[Key]] = {}

    def add(self, entry: Entry) -> None:
        """Take in one entry; they come in the log's order."""
        key = entry.model, entry.version
        if entry.kind is Kind.QUARANTINED:
            for (deployment, _), ran in self._ran.items():
                if deployment == entry.deployment and key in ran:
                    ran.remove(key)
        elif entry.kind in ROUTED:
            for host in {entry.host, ""}:
                ran = self._ran.setdefault((entry.deployment, host), [])
                if key in ran:
                    ran.remove(key)
                ran.append(key)

    def way_back(self, current: Mapping[str, Collection[str]]) -> dict[Key, str]:
        """What these deployments, on the hosts they have now, ran last, and the good one before."""
        found: dict[Key, str] = {}
        for deployment, names in current.items():
            for host in ("", *sorted(names)):
                ran = self._ran.get((deployment, host), [])
                for key in ran[-1:]:
                    found.setdefault(key, f"{deployment} ran it last")
                for key in ran[-2:-1]:
                    found.setdefault(key, f"{deployment} would go back to it")
        return found


def _found(value: Json) -> Iterator[Key]:
    if isinstance(value, dict):
        key = _key(value)
        if key is not None:
            yield key
        for inner in value.values():
            yield from _found(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _found(inner)


def _key(value: Json) -> Key | None:
    if not isinstance(value, dict):
        return None
    model, version = value.get("model"), value.get("version")
    if not isinstance(model, str) or not isinstance(version, int) or isinstance(version, bool):
        return None
    return model, version
