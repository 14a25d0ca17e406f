"""How a deployment stands, in the few words that lists, counts and filters are made of. Pure.

Documents of a reconciler are read with care: what is missing in them is unknown, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from registry.core.canonical import Json

UNKNOWN = "Unknown"
SUBJECTS = ("sync", "health", "trust")
_LONGEST, _NAME = 32, 128
# The code of what a reconciler waits for before it tells Git of a promotion.
_PROMOTION = "waiting_to_promote"


class Severity(IntEnum):
    """How soon somebody should look, soonest first."""

    BAD = 0
    WARN = 1
    BUSY = 2
    QUIET = 3
    GOOD = 4


# The words of the three statuses. A word that is none of these says nothing.
SEVERITIES: Mapping[str, Severity] = {
    "Degraded": Severity.BAD,
    "Refused": Severity.BAD,
    "Missing": Severity.WARN,
    "Unverified": Severity.WARN,
    "Unreachable": Severity.WARN,
    "Progressing": Severity.BUSY,
    "OutOfSync": Severity.BUSY,
    "Suspended": Severity.QUIET,
    UNKNOWN: Severity.QUIET,
    "Synced": Severity.GOOD,
    "Healthy": Severity.GOOD,
    "Verified": Severity.GOOD,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """The model that Git wants, empty where it wants none any more, and the three statuses."""

    model: str
    sync: str
    health: str
    trust: str

    @property
    def severity(self) -> Severity:
        """The worst of the three."""
        return min(severity(word) for word in (self.sync, self.health, self.trust))


def severity(word: str) -> Severity:
    """That of one status."""
    return SEVERITIES.get(word, Severity.QUIET)


def of(document: Mapping[str, Json]) -> Standing:
    """What a status document says."""
    sync, health, trust = (_word(document.get(subject)) for subject in SUBJECTS)
    desired = document.get("desired")
    model = desired.get("model") if isinstance(desired, dict) else ""
    return Standing(model if isinstance(model, str) else "", sync, health, trust)


@dataclass(frozen=True, slots=True)
class OnHost:
    """A deployment on one host: what serves there (empty and 0: nothing), and how."""

    host: str
    model: str
    version: int
    sync: str
    health: str
    trust: str

    @property
    def severity(self) -> Severity:
        """The worst of the three."""
        return min(severity(word) for word in (self.sync, self.health, self.trust))


def on_hosts(document: Mapping[str, Json]) -> list[OnHost]:
    """What a status document says of each host, by name."""
    listed = document.get("hosts")
    found: dict[str, OnHost] = {}
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict) or not _text(item, "host"):
            continue
        serving = item.get("serving")
        of_it = serving if isinstance(serving, dict) else {}
        version = of_it.get("version")
        name = _text(item, "host")[:_NAME]
        words = (_text(item, subject)[:_LONGEST] or UNKNOWN for subject in SUBJECTS)
        number = version if isinstance(version, int) and 0 < version < 2**63 else 0
        found[name] = OnHost(name, _text(of_it, "model")[:_NAME], number, *words)
    return [found[name] for name in sorted(found)]


def experiment(document: Mapping[str, Json]) -> str:
    """The name of the experiment that it has, or had last; empty where it never had one."""
    said = document.get("experiment")
    return _text(said, "name")[:_NAME] if isinstance(said, dict) else ""


def promotion(document: Mapping[str, Json]) -> str:
    """What a promotion to it waits for; empty where none does."""
    listed = document.get("waiting")
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict) and item.get("code") == _PROMOTION:
            return _text(item, "text")[:_NAME]
    return ""


def _word(said: Json) -> str:
    word = _text(said, "status") if isinstance(said, dict) else ""
    return word[:_LONGEST] or UNKNOWN


def _text(source: Mapping[str, Json], name: str) -> str:
    value = source.get(name)
    return value if isinstance(value, str) else ""
