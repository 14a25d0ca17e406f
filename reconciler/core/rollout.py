"""What must be remembered between two looks at the fleet; `rolloutjson` has its JSON form.

One `HostRollout` per (deployment, host), one quarantine list per deployment. The loop keeps
this durably: it applies `outcomes.intend` before an effect and `outcomes.conclude` after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from reconciler.core.experiments.run import Run
from reconciler.core.following import run as followed
from reconciler.core.hookruns import HookRun
from reconciler.core.observed import InstanceSpec
from reconciler.core.promotions import run as promotions
from reconciler.core.strategies.progress import Progress, Wish


class Verdict(StrEnum):
    """`REFUSED` is about trust or policy; `BLOCKED` about room, or a part that did not answer."""

    PASSED = "passed"
    REFUSED = "refused"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """The last preflight here: for which spec, under which policies, with what outcome."""

    spec_hash: str
    policies: str
    verdict: Verdict
    reasons: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the acceptance tests said."""

    passed: bool
    reasons: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A spec on its way to serving. Times are seconds since the epoch.

    `waited` counts only seconds during which the host was seen: neither an unreachable host nor
    a stopped reconciler uses up the deadline. Without a `revision` it is of a rollout that Git has
    left: what is there of it may still have to go.
    """

    spec: InstanceSpec
    revision: str
    since: float
    seen_at: float
    waited: float = 0.0
    acceptance: Acceptance | None = None
    routed_at: float | None = None

    def is_of(self, wanted: InstanceSpec) -> bool:
        """Whether it is what `wanted` asks for, on whichever host."""
        return wanted.is_like_but_for_host(self.spec)


@dataclass(frozen=True, slots=True)
class Failure:
    """An action that failed: how often in a row, when last, and why."""

    action: str
    count: int
    at: float
    detail: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """One restart of an exited instance."""

    instance: str
    at: float


@dataclass(frozen=True, slots=True)
class GaveUp:
    """A revision that failed on this host alone, and is not tried again here."""

    revision: str
    code: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class HostRollout:
    """One deployment on one host; `restarts` are the recent ones, `failures` one an action.

    `earlier` is what was good before `last_good`, newest first.
    """

    preflight: PreflightResult | None = None
    candidate: Candidate | None = None
    last_good: InstanceSpec | None = None
    restarts: tuple[Restarted, ...] = ()
    failures: tuple[Failure, ...] = ()
    gave_up: GaveUp | None = None
    earlier: tuple[InstanceSpec, ...] = ()

    def failure_of(self, action: str) -> Failure | None:
        """How the action with this key failed last, unless it succeeded since."""
        return next((failure for failure in self.failures if failure.action == action), None)


@dataclass(frozen=True, slots=True)
class Request:
    """A pull request with the revert, and whether it is needed no longer."""

    number: int
    url: str
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A revision that failed on `host`, or on none where a person, `by`, sent it back.

    `reverted` names the branch once it is pushed, `entry` is its number in the log. One that is
    `lifted` counts no longer, and is kept for its pull request. While a forge `is_asked` for one
    nobody knows whether there is one.
    """

    revision: str
    spec: InstanceSpec
    host: str
    code: str
    reason: str
    at: float
    reverted: str | None = None
    failure: Failure | None = None
    by: str = ""
    entry: int | None = None
    request: Request | None = None
    lifted: bool = False
    is_asked: bool = False

    @property
    def may_be_open(self) -> bool:
        """Whether there may be a pull request that is open."""
        return self.is_asked if self.request is None else not self.request.is_closed

    @property
    def digest(self) -> str:
        """The manifest digest that must not start again under this revision."""
        return self.spec.digest

    @property
    def commit(self) -> str:
        """The commit that asked for it."""
        return self.spec.commit


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the wish with that id, in words; `refused` says that it came to nothing."""

    wish: str
    refused: bool
    text: str


@dataclass(frozen=True, slots=True)
class Pin:
    """A version that a person holds a deployment at, whatever Git asks for, for a time."""

    id: str
    version: int
    digest: str
    reason: str
    by: str
    until: float


@dataclass(frozen=True, slots=True)
class Rollout:
    """One deployment on all its hosts: how far the rollout is that they go through together,
    what a person asked of it, the last thing that a person got, and the last answer to one; its
    experiment, also one that is over; the version that is to be promoted to it; what it follows."""

    hosts: Mapping[str, HostRollout]
    quarantined: tuple[Quarantined, ...] = ()
    progress: Progress | None = None
    wish: Wish | None = None
    granted: str = ""
    answer: Answer | None = None
    pin: Pin | None = None
    hooks: tuple[HookRun, ...] = ()
    experiment: Run | None = None
    promotion: promotions.Run | None = None
    following: followed.Run | None = None

    def on(self, host: str) -> HostRollout:
        """What is known of `host`; an empty value where nothing is."""
        return self.hosts.get(host, NOTHING_KNOWN)

    def quarantine_of(self, revision: str) -> Quarantined | None:
        """The quarantine entry of `revision`, if it has one."""
        return next((entry for entry in self.in_force if entry.revision == revision), None)

    @property
    def in_force(self) -> tuple[Quarantined, ...]:
        """The quarantine entries that nobody has lifted."""
        return tuple(entry for entry in self.quarantined if not entry.lifted)


Rollouts: TypeAlias = Mapping[str, Rollout]

NOTHING_KNOWN = HostRollout()
NO_ROLLOUT = Rollout(hosts={})
