"""What each event makes of a rollout: one explicit table over all states and all events.

`step` is the only place where a rollout's progress changes, but for its beginning (`begin`).
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from reconciler.core.strategies.program import (
    Analyse,
    Bake,
    Conclude,
    End,
    Observe,
    Pause,
    Program,
    Promote,
    SetHeaderRoute,
    SetMirror,
    SetWeight,
)
from reconciler.core.strategies.progress import Progress, State, Verb


class Event(StrEnum):
    """What the facts, the time or a person can bring."""

    IN_PLACE = "in_place"
    """All hosts send traffic as the step asks for."""
    ELAPSED = "elapsed"
    """The time that the step takes is over."""
    SUCCEEDED = "succeeded"
    """The analysis that the step waits for has succeeded."""
    FAILED = "failed"
    """An analysis has failed, of the step or beside the steps."""
    ERRED = "erred"
    """An analysis could not be measured too many times in a row."""
    INCONCLUSIVE = "inconclusive"
    """An analysis has come to no conclusion."""
    SICKENED = "sickened"
    """The candidate has failed on a host."""
    PROMOTE = "promote"
    """A person wants the next step."""
    PROMOTE_FULL = "promote_full"
    """A person wants all traffic moved, whatever steps are left."""
    ABORT = "abort"
    """A person wants to go back."""
    PAUSE = "pause"
    """A person wants it to stay where it is."""
    RESUME = "resume"
    """A person wants it to go on."""
    CHANGED = "changed"
    """A commit changed the strategy, and nothing that the rollout is about."""
    SUSPENDED = "suspended"
    """A commit wants nothing touched."""


class Move(StrEnum):
    """What becomes of the progress."""

    STAY = "stay"
    NEXT = "next"
    AGAIN = "again"
    """The present step anew, from its beginning."""
    FINISH = "finish"
    """To the switch of all traffic."""
    RESTART = "restart"
    """To the first step, or to the switch where all traffic had moved already."""
    HOLD = "hold"
    ABORT = "abort"


_STAY, _NEXT, _AGAIN, _FINISH = Move.STAY, Move.NEXT, Move.AGAIN, Move.FINISH
_RESTART, _HOLD, _ABORT = Move.RESTART, Move.HOLD, Move.ABORT

# In the order of `Event`:
# in place, elapsed, succeeded, failed, erred, inconclusive, sickened,
# promote, promote full, abort, pause, resume, changed, suspended.
_ROWS: Mapping[State, tuple[Move, ...]] = {
    State.SHIFTING: (
        _NEXT, _STAY, _STAY, _ABORT, _ABORT, _HOLD, _ABORT,
        _NEXT, _FINISH, _ABORT, _HOLD, _STAY, _RESTART, _HOLD,
    ),
    State.WAITING: (
        _STAY, _NEXT, _STAY, _ABORT, _ABORT, _HOLD, _ABORT,
        _NEXT, _FINISH, _ABORT, _HOLD, _STAY, _RESTART, _HOLD,
    ),
    State.PAUSED: (
        _STAY, _STAY, _STAY, _ABORT, _ABORT, _STAY, _ABORT,
        _NEXT, _FINISH, _ABORT, _STAY, _NEXT, _RESTART, _HOLD,
    ),
    State.MEASURING: (
        _STAY, _STAY, _NEXT, _ABORT, _ABORT, _HOLD, _ABORT,
        _NEXT, _FINISH, _ABORT, _HOLD, _STAY, _RESTART, _HOLD,
    ),
    State.OBSERVING: (
        _STAY, _STAY, _STAY, _STAY, _STAY, _STAY, _ABORT,
        _STAY, _STAY, _ABORT, _STAY, _STAY, _RESTART, _HOLD,
    ),
    State.HELD: (
        _STAY, _STAY, _STAY, _ABORT, _ABORT, _STAY, _ABORT,
        _NEXT, _FINISH, _ABORT, _STAY, _AGAIN, _RESTART, _STAY,
    ),
    State.PROMOTING: (
        _NEXT, _STAY, _STAY, _STAY, _STAY, _STAY, _ABORT,
        _STAY, _STAY, _ABORT, _STAY, _STAY, _RESTART, _STAY,
    ),
    State.BAKING: (
        _STAY, _NEXT, _STAY, _STAY, _STAY, _STAY, _ABORT,
        _STAY, _STAY, _ABORT, _HOLD, _STAY, _RESTART, _STAY,
    ),
    State.DONE: (
        _STAY, _STAY, _STAY, _STAY, _STAY, _STAY, _ABORT,
        _STAY, _STAY, _ABORT, _STAY, _STAY, _STAY, _STAY,
    ),
    State.ENDED: (
        _STAY, _STAY, _STAY, _STAY, _STAY, _STAY, _STAY,
        _FINISH, _FINISH, _ABORT, _STAY, _STAY, _RESTART, _STAY,
    ),
    State.ABORTED: (
        _STAY, _STAY, _STAY, _STAY, _STAY, _STAY, _STAY,
        _STAY, _STAY, _STAY, _STAY, _STAY, _STAY, _STAY,
    ),
}  # fmt: skip

TABLE: Mapping[tuple[State, Event], Move] = {
    (state, event): move
    for state, row in _ROWS.items()
    for event, move in zip(Event, row, strict=True)
}


ASKED: Mapping[Verb, Event] = {
    Verb.PROMOTE: Event.PROMOTE,
    Verb.PROMOTE_FULL: Event.PROMOTE_FULL,
    Verb.RESUME: Event.RESUME,
    Verb.PAUSE: Event.PAUSE,
    Verb.ABORT: Event.ABORT,
}


def possible(progress: Progress) -> dict[Verb, Move]:
    """What a person can do now, and what becomes of it; nothing while Git suspends it."""
    if progress.code == Event.SUSPENDED:
        return {}
    found = {verb: TABLE[progress.state, event] for verb, event in ASKED.items()}
    return {verb: move for verb, move in found.items() if move is not Move.STAY}


def begin(program: Program, revision: str, now: float, *, at: int = 0) -> Progress:
    """The rollout of `revision` at its first step, or at step `at`."""
    blank = Progress(revision, program.digest, at, State.SHIFTING, now)
    return _enter(program, blank, at, now)


def step(  # noqa: PLR0911  one arm a move
    program: Program, progress: Progress, event: Event, now: float, *, reason: str = ""
) -> Progress:
    """What `event` makes of `progress`; the same again where the table says to stay."""
    index = progress.index
    match TABLE[progress.state, event]:
        case Move.STAY:
            return progress
        case Move.NEXT:
            return _enter(program, progress, index + 1, now)
        case Move.AGAIN:
            return _enter(program, replace(progress, beside=None), index, now)
        case Move.FINISH:
            return _enter(program, progress, _finish(program, index), now)
        case Move.RESTART:
            restarted = replace(progress, program=program.digest, beside=None)
            first = program.promotes_at if progress.has_switched else 0
            return _enter(program, restarted, first, now)
        case Move.HOLD:
            return replace(progress, state=State.HELD, since=now, code=event, reason=reason)
        case Move.ABORT:
            return replace(progress, state=State.ABORTED, since=now, code=event, reason=reason)


def _finish(program: Program, index: int) -> int:
    """The switch; past it, the step after whatever is waited for."""
    return program.promotes_at if index < program.promotes_at else index + 1


def _enter(program: Program, progress: Progress, index: int, now: float) -> Progress:
    return replace(
        progress,
        index=index,
        state=_state_at(program, index),
        since=now,
        has_switched=index >= program.promotes_at,
        code="",
        reason="",
        analysis=None,
    )


def _state_at(program: Program, index: int) -> State:  # noqa: C901, PLR0911  an arm a step
    if index >= len(program.steps):
        return State.DONE
    match program.steps[index]:
        case SetWeight() | SetHeaderRoute() | SetMirror():
            return State.SHIFTING
        case Pause(seconds):
            return State.PAUSED if seconds is None else State.WAITING
        case Analyse() | Conclude():
            return State.MEASURING
        case Observe():
            return State.OBSERVING
        case Promote():
            return State.PROMOTING
        case Bake():
            return State.BAKING
        case End():
            return State.ENDED
