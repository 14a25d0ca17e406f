"""Where a rollout is in its strategy's program, as it is remembered, and its JSON form."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core import analysis_memory
from reconciler.core.analysis import AnalysisRun
from registry.core import fields
from registry.core.canonical import Json
from registry.errors import InvalidInput

_WHAT = "rollout progress"


class State(StrEnum):
    """What a rollout is doing at its present step."""

    SHIFTING = "shifting"
    """The hosts are being brought to the step's share of the traffic."""
    WAITING = "waiting"
    """A pause that ends by itself."""
    PAUSED = "paused"
    """A pause that a person ends."""
    MEASURING = "measuring"
    """An analysis must succeed."""
    OBSERVING = "observing"
    """An experiment is under way, which ends by itself."""
    HELD = "held"
    """A person stopped it, or an analysis came to no conclusion."""
    PROMOTING = "promoting"
    """The hosts are being switched over."""
    BAKING = "baking"
    """All traffic has moved; predecessors are still there."""
    DONE = "done"
    """Nothing is left but to remember the version as good."""
    ENDED = "ended"
    """The candidate was only looked at, and has left again."""
    ABORTED = "aborted"
    """Hosts go back to what was good."""


class Verb(StrEnum):
    """What a person can ask of a rollout; the last six need none under way. The last two are for a
    version to be asked for in Git, by a commit or a pull request."""

    PROMOTE = "promote"
    PROMOTE_FULL = "promote_full"
    ABORT = "abort"
    PAUSE = "pause"
    RESUME = "resume"
    ROLLBACK = "rollback"
    RETRY = "retry"
    PIN = "pin"
    UNPIN = "unpin"
    COMMIT = "commit"
    PROPOSE = "propose"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for, with their reason; `id` makes it count once.

    `by` is the account that asked, `version` the one that is named, by its `digest` too but for a
    rollback. A pin ends at `until`, in seconds since the epoch.
    """

    id: str
    verb: Verb
    reason: str
    by: str = ""
    version: int | None = None
    digest: str = ""
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """One rollout of `revision`, at step `index` of the program with that digest.

    `since` is when the state was entered, in seconds since the epoch. `has_switched` says that
    all traffic is meant to be the candidate's. `reason` is why it is held or aborted, `code` the
    event that did it. `beside` is the analysis that runs beside the steps, `analysis` the one
    that the present step waits for.
    """

    revision: str
    program: str
    index: int
    state: State
    since: float
    has_switched: bool = False
    code: str = ""
    reason: str = ""
    analysis: AnalysisRun | None = None
    beside: AnalysisRun | None = None


def document(progress: Progress) -> dict[str, Json]:
    """What `read` reads."""
    return {
        "revision": progress.revision,
        "program": progress.program,
        "index": progress.index,
        "state": progress.state.value,
        "since": progress.since,
        "hasSwitched": progress.has_switched,
        "code": progress.code,
        "reason": progress.reason,
        "analysis": _run_document(progress.analysis),
        "beside": _run_document(progress.beside),
    }


def read(source: Mapping[str, Json]) -> Progress:
    """What `document` wrote; raises `InvalidInput`."""
    known = dict(source)
    return Progress(
        revision=fields.text(known, "revision", what=_WHAT),
        program=fields.text(known, "program", what=_WHAT),
        index=fields.integer(known, "index", what=_WHAT),
        state=_state(fields.text(known, "state", what=_WHAT)),
        since=_number(known.get("since")),
        has_switched=known.get("hasSwitched") is True,
        code=fields.text(known, "code", what=_WHAT),
        reason=fields.text(known, "reason", what=_WHAT),
        analysis=_run(known.get("analysis")),
        beside=_run(known.get("beside")),
    )


def wish_document(wish: Wish) -> dict[str, Json]:
    """What `read_wish` reads."""
    return {
        "id": wish.id,
        "verb": wish.verb.value,
        "reason": wish.reason,
        "by": wish.by,
        "version": wish.version,
        "digest": wish.digest,
        "until": wish.until,
    }


def read_wish(source: Mapping[str, Json]) -> Wish:
    """What `wish_document` wrote; raises `InvalidInput`."""
    known = dict(source)
    return Wish(
        id=fields.text(known, "id", what=_WHAT),
        verb=_verb(fields.text(known, "verb", what=_WHAT)),
        reason=fields.text(known, "reason", what=_WHAT),
        by=fields.text(known, "by", what=_WHAT) if "by" in known else "",
        version=None
        if known.get("version") is None
        else fields.integer(known, "version", what=_WHAT),
        digest=fields.text(known, "digest", what=_WHAT) if "digest" in known else "",
        until=_number(known["until"]) if "until" in known else 0.0,
    )


def _run_document(run: AnalysisRun | None) -> Json:
    return None if run is None else analysis_memory.document(run)


def _run(value: Json) -> AnalysisRun | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidInput(f"{_WHAT}: an analysis is not an object")
    return analysis_memory.read(value)


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError as error:
        raise InvalidInput(f"{_WHAT}: state {text[:40]!r} does not exist") from error


def _verb(text: str) -> Verb:
    try:
        return Verb(text)
    except ValueError as error:
        raise InvalidInput(f"{_WHAT}: {text[:40]!r} cannot be asked for") from error


def _number(value: Json) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidInput(f"{_WHAT}: expected a number, found {type(value).__name__}")
    return float(value)
