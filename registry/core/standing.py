"""How a deployment stands, in the few words that lists, counts and filters are made of. Pure.

Documents of a reconciler are read with care: what is missing in them is unknown, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from registry.core.canonical import Json

UNKNOWN = "Unknown"
SUBJECTS = ("sync", "health", "trust")
_LONGEST = 32


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


def _word(said: Json) -> str:
    word = said.get("status") if isinstance(said, dict) else None
    return word[:_LONGEST] if isinstance(word, str) and word else UNKNOWN
