"""What follows from one attempt to deliver an event: a decision, made without clock or dice."""

from dataclasses import dataclass
from typing import TypeAlias

_GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """The receiver answered; `wait` is what it asked for in Retry-After, in seconds."""

    status: int
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer, or nothing that could be sent; the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The receiver will never take this one, and said so; the reason."""

    reason: str


Outcome: TypeAlias = Answer | Silence | Refusal


@dataclass(frozen=True, slots=True)
class Patience:
    """`most` attempts an event; pauses double from `first` to `longest` seconds."""

    most: int
    first: float
    longest: float


@dataclass(frozen=True, slots=True)
class Delivered:
    """On to the next event."""


@dataclass(frozen=True, slots=True)
class Again:
    """The same event once more, after `wait` seconds."""

    wait: float
    reason: str


@dataclass(frozen=True, slots=True)
class Dead:
    """The event is put aside, and the next one goes out."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unwanted:
    """The receiver wants no more of them: the webhook pauses with this event undelivered."""

    reason: str


Step: TypeAlias = Delivered | Again | Dead | Unwanted


def is_success(outcome: Outcome) -> bool:
    """Whether the receiver took it: with any 2xx."""
    return isinstance(outcome, Answer) and 200 <= outcome.status < 300


def step(outcome: Outcome, *, failed_before: int, patience: Patience, jitter: float) -> Step:
    """`jitter` from 0 to 1 spreads the pause over its upper half, so that crowds disperse."""
    match outcome:
        case Answer() if is_success(outcome):
            return Delivered()
        case Answer(status) if status == _GONE:
            return Unwanted("the receiver answered 410: it wants no more events")
        case Answer(status, wait):
            return _failed(f"the receiver answered {status}", failed_before, patience, jitter, wait)
        case Silence(reason):
            return _failed(reason, failed_before, patience, jitter, 0.0)
        case Refusal(reason):
            return Dead(reason)


def _failed(
    reason: str, failed_before: int, patience: Patience, jitter: float, asked: float
) -> Again | Dead:
    if failed_before + 1 >= patience.most:
        return Dead(reason)
    # The exponent is bounded, for no float is large enough for all of them.
    pause = min(patience.first * 2.0 ** min(failed_before, 60), patience.longest)
    spread = pause * (0.5 + 0.5 * jitter)
    return Again(max(spread, min(asked, patience.longest)), reason)
