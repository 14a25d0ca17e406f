"""Which entries, or intervals, an auditor asks for. What is empty asks for nothing."""

from dataclasses import dataclass
from datetime import datetime

from registry.core.audit import timeline
from registry.core.audit.timeline import Interval
from registry.core.entries import Entry, Kind

_SHORTEST_PREFIX = 7


@dataclass(frozen=True, slots=True)
class Criteria:
    """All that is set must fit. `commit` and `digest` may be cut short, to 7 characters or more;
    `actor` may be the name without its role, or who signed what the entry records; `since`
    and `until` are the first and the last moment that an entry may claim."""

    host: str = ""
    deployment: str = ""
    model: str = ""
    version: int = 0
    digest: str = ""
    actor: str = ""
    commit: str = ""
    kind: Kind | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fit(self, entry: Entry, *, signer: str = "") -> bool:
        """Whether this entry, which records what `signer` signed, is asked for."""
        return (
            self._fits_place(entry)
            and (self.kind is None or entry.kind is self.kind)
            and (not self.actor or self.actor in _people(entry, signer))
            and self._fits_time(entry.time)
        )

    def fit_interval(self, interval: Interval) -> bool:
        """Whether it is about the place, version and commit that are asked for."""
        return self._fits_place(interval)

    def _fits_place(self, one: Entry | Interval) -> bool:
        return (
            (not self.host or one.host == self.host)
            and (not self.deployment or one.deployment == self.deployment)
            and (not self.model or one.model == self.model)
            and (not self.version or one.version == self.version)
            and _begins(one.commit, self.commit)
            and _begins(one.digest.removeprefix("sha256:"), self.digest.removeprefix("sha256:"))
        )

    def _fits_time(self, time: str) -> bool:
        if self.since is None and self.until is None:
            return True
        moment = timeline.moment_of(time)
        return (
            moment is not None
            and (self.since is None or moment >= self.since)
            and (self.until is None or moment <= self.until)
        )


def _people(entry: Entry, signer: str) -> set[str]:
    """Who did it, with the role and without; who signed it; whose signature was published."""
    publisher = entry.detail.get("publisher")
    named = {publisher} if isinstance(publisher, str) else set()
    return {entry.actor, entry.actor.partition(":")[2], signer} | named


def _begins(text: str, wanted: str) -> bool:
    if len(wanted) < _SHORTEST_PREFIX:
        return not wanted or text == wanted
    return text.startswith(wanted)
