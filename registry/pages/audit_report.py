"""The report of a deployment's chain: one HTML file that needs nothing else, for screen and paper.

It has its style within, no script, and asks no server for anything. All that it shows was
checked before; whoever reads it can check it again by what stands at its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.core.audit.answers import Answer
from registry.core.audit.chain import Chain
from registry.core.audit.findings import Findings
from registry.core.audit.timeline import State
from registry.core.entries import Entry, Kind
from registry.pages import gantt, rendering

# What each kind of entry says, in an auditor's words.
_WORDS = {
    Kind.PUBLISHED: "Published",
    Kind.SIGNED: "Signed once more",
    Kind.APPROVED: "Approved",
    Kind.ATTESTED: "Evidence filed",
    Kind.EXPLAINED: "Explained",
    Kind.REVOKED: "Evidence revoked",
    Kind.PULLED: "Pulled by the host",
    Kind.VERIFIED: "Verified on the host",
    Kind.LOADED: "Loaded on the host",
    Kind.PERMITTED: "Permitted",
    Kind.STARTING: "Start announced",
    Kind.STARTED: "Started",
    Kind.TESTED: "Acceptance test",
    Kind.DEPLOYING: "Traffic switch announced",
    Kind.DEPLOYED: "Serving",
    Kind.ROLLED_BACK: "Rolled back to",
    Kind.REMOVED: "Removed",
    Kind.REFUSED: "Refused",
    Kind.QUARANTINED: "Quarantined",
    Kind.REVERT_PUSHED: "Revert proposed in Git",
    Kind.REVERT_PROPOSED: "Pull request opened",
    Kind.REVERT_WITHDRAWN: "Pull request closed",
}
_GOOD = frozenset({Kind.DEPLOYED, Kind.APPROVED, Kind.VERIFIED})
_BAD = frozenset({Kind.REFUSED, Kind.QUARANTINED, Kind.REVOKED, Kind.ROLLED_BACK, Kind.ERASED})
_STATES = {State.SERVING: "serving", State.ANNOUNCED: "being deployed"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the report says beside the chain itself."""

    source: str
    trust: str


def render(chain: Chain, found: Findings, shown: Shown) -> str:
    """The whole document; the same log gives the same bytes."""
    template = rendering.environment().get_template("audit_report.html")
    return template.render(
        chain=chain,
        found=found,
        shown=shown,
        signed=found.signed,
        drawing=gantt.draw(chain.intervals, size=chain.size, end=chain.end),
        word=_word,
        tone=_tone,
        when=_when,
        state=lambda answer: _STATES[answer.state],
        people=_people,
        passed=_passed,
        answers=_by_host(chain.now),
    )


def _word(entry: Entry) -> str:
    return _WORDS.get(entry.kind, entry.kind.replace("_", " ").capitalize())


def _tone(entry: Entry) -> str:
    if entry.kind in _BAD or entry.detail.get("passed") is False:
        return "bad"
    return "good" if entry.kind in _GOOD or entry.detail.get("passed") is True else "quiet"


def _when(time: str) -> str:
    """`2026-11-23 08:01:00`: what was claimed, in UTC, without what only machines need."""
    return time[:19].replace("T", " ")


def _people(answer: Answer) -> str:
    return ", ".join(dict.fromkeys(one.said.signer for one in answer.approvals if one.said))


def _passed(answer: Answer) -> list[str]:
    """One phrase for each piece of evidence that counted."""
    said = [one.said for one in answer.evidence if one.said is not None]
    result = {True: ", passed", False: ", FAILED", None: ""}
    return [f"{one.kind} by {one.signer}{result[one.passed]}" for one in said]


def _by_host(answers: Sequence[Answer]) -> list[Answer]:
    return sorted(answers, key=lambda one: (one.interval.host, one.state.value))
