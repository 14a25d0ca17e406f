"""What an action can end with."""

from dataclasses import dataclass
from typing import TypeAlias

from reconciler.core import rollout
from reconciler.core.experiments.totals import Increment
from reconciler.core.measurements import Measurement, Trouble


@dataclass(frozen=True, slots=True)
class Done:
    """The action took effect; `detail` is the branch of a `PushRevert`.

    `entry` is the number of the log entry that tells of it, where that is known.
    """

    detail: str = ""
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The action may or may not have taken effect, and may be tried again."""

    detail: str


@dataclass(frozen=True, slots=True)
class Lacking:
    """The action did nothing, since something is missing that others have to bring."""

    detail: str


@dataclass(frozen=True, slots=True)
class Preflighted:
    """The outcome of a `Preflight`; `policies` is `DesiredState.policies_digest`."""

    policies: str
    verdict: rollout.Verdict
    reasons: tuple[str, ...] = ()
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The outcome of an `OpenRequest`: the pull request."""

    number: int
    url: str


@dataclass(frozen=True, slots=True)
class Tested:
    """The outcome of an `Accept` that ran to its end."""

    passed: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """The outcome of a `Measure`: what was found, by metric."""

    found: tuple[tuple[str, Measurement], ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """The outcome of a `Look`: what came of both variants, by metric."""

    found: tuple[tuple[str, Increment | Trouble], ...]


@dataclass(frozen=True, slots=True)
class Brought:
    """The outcome of a `Bump` or a `Promote`: the version that Git was told of, where people see
    it, and the pull request, if there is one."""

    version: int
    where: str
    request: int | None = None


Outcome: TypeAlias = (
    Done | Failed | Lacking | Preflighted | Opened | Tested | Measured | Looked | Brought
)


def entry_of(outcome: Outcome) -> int | None:
    """The number of the log entry that tells of it, where that is known."""
    return outcome.entry if isinstance(outcome, Done | Preflighted) else None
