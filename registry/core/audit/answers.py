"""What served where at a moment, who approved it, from which commit, on what evidence.

`History` takes a checked log entry by entry and keeps what answers need: the intervals, and of
each digest what was said of it. An answer is about a point of the log, and counts nothing that
was logged behind it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from registry.core import evidence, merkle
from registry.core.audit.check import Recorded
from registry.core.audit.timeline import Interval, State, Timeline
from registry.core.canonical import Json
from registry.core.entries import Entry, Kind

_MOVES = frozenset({Kind.DEPLOYING, Kind.DEPLOYED, Kind.ROLLED_BACK, Kind.REMOVED})


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry, where it stands, and the signed statement that it records, if any.

    `leaf_hash` names it for ever: the hex of RFC 6962's hash of its bytes.
    """

    index: int
    entry: Entry
    said: evidence.Statement | None
    leaf_hash: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One version in one place at a point of the log; `trail` is what led there, in order.

    `approvals` and `evidence` are those that counted there: signed by who may, and not revoked.
    """

    interval: Interval
    state: State
    published: Logged | None
    approvals: tuple[Logged, ...]
    evidence: tuple[Logged, ...]
    trail: tuple[Logged, ...]

    @property
    def publisher(self) -> str:
        """Who signed the version's files."""
        named = self.published.entry.detail.get("publisher") if self.published else None
        return named if isinstance(named, str) else ""

    @property
    def decision(self) -> Logged | None:
        """The last decision of a policy before it served, where one is on record."""
        return next((one for one in reversed(self.trail) if one.entry.kind == "decided"), None)


@dataclass(slots=True)
class History:
    """All that was added, in the order of the log."""

    timeline: Timeline = field(default_factory=Timeline)
    size: int = 0
    _about: dict[str, list[Logged]] = field(default_factory=dict)

    def add(self, recorded: Recorded) -> None:
        """The next entry."""
        entry = recorded.entry
        self.size = recorded.index + 1
        self.timeline.add(recorded.index, entry)
        if entry.digest and entry.kind not in _MOVES:
            self._about.setdefault(entry.digest, []).append(logged(recorded))

    def at(self, size: int) -> Iterator[Answer]:
        """What served, or was about to, when the log had `size` entries."""
        for interval in self.timeline.intervals:
            state = interval.state(size)
            if state is not None:
                yield self.answer(interval, state, size)

    def about(self, digest: str) -> list[Logged]:
        """All that was logged about a digest, its moves excepted."""
        return list(self._about.get(digest, ()))

    def answer(self, interval: Interval, state: State, size: int) -> Answer:
        """Everything known of an interval when the log had `size` entries."""
        known = [one for one in self._about.get(interval.digest, ()) if one.index < size]
        revoked = {str(one.entry.detail.get("revokes")) for one in known if _is_revocation(one)}
        signed = [one for one in known if one.said is not None and one.said.id not in revoked]
        return Answer(
            interval,
            state,
            published=next((one for one in known if one.entry.kind is Kind.PUBLISHED), None),
            approvals=tuple(one for one in signed if one.entry.kind is Kind.APPROVED),
            evidence=tuple(one for one in signed if one.entry.kind is not Kind.APPROVED),
            trail=tuple(one for one in known if _leads_to(one.entry, interval)),
        )


def logged(recorded: Recorded) -> Logged:
    """The entry as answers keep it."""
    leaf_hash = merkle.leaf_hash(recorded.leaf).hex()
    return Logged(recorded.index, recorded.entry, recorded.said, leaf_hash)


def document(answer: Answer) -> dict[str, Json]:
    """The answer for programs."""
    interval = answer.interval
    return {
        "host": interval.host,
        "deployment": interval.deployment,
        "model": interval.model,
        "version": interval.version,
        "digest": interval.digest,
        "state": answer.state.value,
        "announced": _mark(interval, "announced"),
        "since": _mark(interval, "since"),
        "until": _mark(interval, "until"),
        "commit": interval.commit,
        "reason": interval.reason,
        "publisher": answer.publisher,
        "published": _logged(answer.published) if answer.published else None,
        "approvals": [_signed(one) for one in answer.approvals],
        "evidence": [_signed(one) for one in answer.evidence],
        "decision": _decided(answer.decision) if answer.decision else None,
        "trail": [_logged(one) for one in answer.trail],
    }


def _is_revocation(one: Logged) -> bool:
    return one.entry.kind is Kind.REVOKED and one.said is not None


def _leads_to(entry: Entry, interval: Interval) -> bool:
    """Entries without a place are about the version wherever it is."""
    return entry.deployment in {"", interval.deployment} and entry.host in {"", interval.host}


def _mark(interval: Interval, name: str) -> Json:
    mark = getattr(interval, name)
    return None if mark is None else {"index": mark.index, "time": mark.time}


def _logged(one: Logged) -> dict[str, Json]:
    entry = one.entry
    return {
        "index": one.index,
        "time": entry.time,
        "kind": entry.kind.value,
        "actor": entry.actor,
        "reason": entry.reason,
    }


def _decided(one: Logged) -> dict[str, Json]:
    return {**_logged(one), "detail": one.entry.detail}


def _signed(one: Logged) -> dict[str, Json]:
    said = one.said
    if said is None:
        return _logged(one)
    return {
        "index": one.index,
        "time": one.entry.time,
        "kind": said.kind.value,
        "signer": said.signer,
        "passed": said.passed,
        "id": said.id,
    }
