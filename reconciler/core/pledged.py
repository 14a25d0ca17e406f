"""What is being done to a host, as it is written down before it is, and whether it was done. Pure.

Whoever does it may die, or lose the answer, before its outcome is told. Then the next look at the
host says what became of it: what was done is told late, what was not is done anew.
"""

import hashlib
from dataclasses import dataclass

from reconciler.core.observed import HostState, Phase
from registry.core import canonical, entries, fields
from registry.core.canonical import Json
from registry.core.entries import Kind

_WHAT = "pledge"


@dataclass(frozen=True, slots=True)
class Pledge:
    """That `event` is told once it is so: `instance` runs, has the traffic that the `mark` of a
    route stands for, or is gone."""

    event: dict[str, Json]
    instance: str
    mark: str = ""

    @property
    def kind(self) -> Kind:
        """Of the event."""
        return entries.kind(fields.text(self.event, "kind", what=_WHAT))

    @property
    def host(self) -> str:
        """Where it is done."""
        return fields.text(self.event, "host", what=_WHAT)

    @property
    def name(self) -> str:
        """The same for the same thing done again: one takes the place of the other."""
        said: list[Json] = [self.host, self.kind.value, self.instance]
        return hashlib.sha256(canonical.encode(said)).hexdigest()[:32]

    def is_kept(self, seen: HostState, marks: frozenset[str]) -> bool:
        """Whether `seen`, whose routes have these `marks`, shows it done."""
        there = next((one for one in seen.instances if one.name == self.instance), None)
        if self.mark:
            return self.mark in marks
        if self.kind is Kind.REMOVED:
            return there is None
        return there is not None and there.phase is not Phase.CREATED


def document(pledge: Pledge) -> dict[str, Json]:
    """As it is kept on disk."""
    return {"event": pledge.event, "instance": pledge.instance, "mark": pledge.mark}


def read(kept: dict[str, Json]) -> Pledge:
    """What `document` made; raises `InvalidInput`."""
    event = fields.mapping(kept, "event", what=_WHAT)
    return Pledge(
        event,
        fields.text(kept, "instance", what=_WHAT),
        fields.text(kept, "mark", what=_WHAT),
    )
