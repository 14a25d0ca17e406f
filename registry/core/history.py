"""What became of every version that a deployment was asked to serve, read from the log. Pure.

A version is asked for when hosts first do something for it after another one, or after it had
failed. Whatever one entry says of it later is folded into the same line.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from registry.core import canonical, entries
from registry.core.canonical import Json
from registry.core.entries import Entry, Kind

# What is done for a version on its way in; what goes back or is brought back is none of these.
_FORWARD = frozenset(
    {
        Kind.DECIDED, Kind.STARTING, Kind.STARTED, Kind.TESTED, Kind.ANALYSED, Kind.SHIFTING,
        Kind.SHIFTED, Kind.DEPLOYING, Kind.DEPLOYED, Kind.REFUSED,
    }
)  # fmt: skip
_BEGINNINGS = frozenset({Kind.DECIDED, Kind.STARTING, Kind.DEPLOYING})
_ALLOWED = "allowed"


class Outcome(StrEnum):
    """How it ended, so far as the log tells."""

    UNDER_WAY = "under way"
    REFUSED = "refused"
    SERVING = "serving"
    REPLACED = "replaced"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"
    QUARANTINED = "quarantined"
    REMOVED = "removed"


_ENDED = frozenset({Outcome.QUARANTINED, Outcome.ROLLED_BACK, Outcome.REPLACED, Outcome.REMOVED})


@dataclass(slots=True)
class Asked:
    """One version as it was asked for: from which commit, by whom, since when, and its end.

    `ended` is when it served everywhere it came to, or when it failed; `by` is who signed the
    commit, as the log knows them.
    """

    index: int
    model: str
    version: int
    digest: str
    commit: str
    since: str
    by: str = ""
    outcome: Outcome = Outcome.UNDER_WAY
    ended: str = ""
    reason: str = ""
    hosts: set[str] = field(default_factory=set)
    steered: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """From the first thing done for it to its end; None where it has none yet."""
        if not self.ended:
            return None
        return (_moment(self.ended) - _moment(self.since)).total_seconds()

    def see(self, entry: Entry) -> None:
        """What `entry` says of it."""
        match entry.kind:
            case Kind.QUARANTINED:
                self.end(Outcome.QUARANTINED, entry)
            case Kind.GAVE_UP:
                self.end(Outcome.FAILED, entry)
            case Kind.REFUSED:
                self._refuse(entry)
            case Kind.DEPLOYED:
                self._deploy(entry)
            case Kind.REMOVED:
                self._remove(entry)
            case Kind.STARTED | Kind.DEPLOYING if self.outcome is Outcome.REFUSED:
                self.outcome, self.ended, self.reason = Outcome.UNDER_WAY, "", ""
            case _:
                pass

    def give_way(self) -> None:
        """Another version is asked for now."""
        if self.outcome is Outcome.SERVING:
            self.outcome = Outcome.REPLACED
        elif self.outcome is Outcome.UNDER_WAY:
            self.outcome = Outcome.SUPERSEDED

    def _refuse(self, entry: Entry) -> None:
        """Before it serves; a host that refuses later says so itself, and is brought back."""
        if self.outcome in (Outcome.UNDER_WAY, Outcome.REFUSED):
            self.end(Outcome.REFUSED, entry)

    def _deploy(self, entry: Entry) -> None:
        """On a host that it had not come to: what is brought back there is no news."""
        if entry.host not in self.hosts:
            self.hosts.add(entry.host)
            self.end(Outcome.SERVING, entry)

    def _remove(self, entry: Entry) -> None:
        self.hosts.discard(entry.host)
        if self.outcome is Outcome.SERVING and not self.hosts:
            self.end(Outcome.REMOVED, entry)

    def end(self, outcome: Outcome, entry: Entry) -> None:
        """So it ended, for the reason that `entry` gives."""
        self.outcome, self.ended, self.reason = outcome, entry.time, entry.reason


def of(told: Iterable[tuple[int, Entry]]) -> list[Asked]:
    """From entries about one deployment in the log's order; the newest stands last."""
    found: list[Asked] = []
    signers: dict[str, str] = {}
    for index, entry in told:
        if entry.kind is Kind.COMMIT_VERIFIED:
            signers[entry.commit] = str(entry.detail.get("signer") or "")
            continue
        if not entry.version:
            continue
        _see(found, index, entry)
    for one in found:
        one.by = signers.get(one.commit, "")
    return found


def _see(found: list[Asked], index: int, entry: Entry) -> None:
    if entry.kind in _FORWARD and _is_new(found, entry):
        if found:
            found[-1].give_way()
        found.append(
            Asked(index, entry.model, entry.version, entry.digest, entry.commit, since=entry.time)
        )
    if not found:
        return
    last = found[-1]
    if entry.kind is Kind.STEERED:
        last.steered.append(entry.reason)
    elif (last.version, last.digest) == (entry.version, entry.digest):
        last.see(entry)
    elif entry.kind is Kind.ROLLED_BACK:
        _go_back(found, entry)


def _is_new(found: list[Asked], entry: Entry) -> bool:
    if entry.kind is Kind.DECIDED and entry.reason != _ALLOWED:
        return False
    if not found:
        return True
    last, about = found[-1], (entry.version, entry.digest)
    if about == (last.version, last.digest):
        return last.outcome in _ENDED and entry.kind in _BEGINNINGS
    # What serves meanwhile may be repaired, from the commit that it came from.
    return (*about, entry.commit) not in {(one.version, one.digest, one.commit) for one in found}


def _go_back(found: list[Asked], entry: Entry) -> None:
    """The newest gave way to an earlier one, which serves again."""
    last = found[-1]
    if last.outcome is not Outcome.QUARANTINED:
        last.end(Outcome.ROLLED_BACK, entry)
    for earlier in reversed(found[:-1]):
        if (earlier.version, earlier.digest) == (entry.version, entry.digest):
            earlier.outcome = Outcome.SERVING
            return


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def entry_of(document: dict[str, Json]) -> Entry | None:
    """An entry as the registry shows it; None for a kind that this release does not know."""
    if document.get("kind") not in set(Kind):
        return None
    return entries.decode(canonical.encode(document))
