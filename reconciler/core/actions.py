"""What a plan can ask for, one frozen value per kind: printing them is the dry run.

Every action says why in a machine-readable `Reason`. Actions on one host do not depend on
each other's outcome; a plan holds only steps that are safe whichever of them succeed.
`Quarantine`, `GiveUp`, `Proceed`, `Settle`, `Grant` and `Forget` change only what is remembered,
as `Measure` does. What is for Git stands in `reverts`, what is about experiments in `experiments`.
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from reconciler.core import reverts
from reconciler.core.analysis import AnalysisRun
from reconciler.core.changes import Change
from reconciler.core.experiments.acts import Begin, Decide, Look, Propose
from reconciler.core.following.acts import Bump, Track, Withdraw
from reconciler.core.hookruns import Call
from reconciler.core.observed import InstanceSpec, Route, Share
from reconciler.core.promotions.acts import Assess, Promote, PromoteByHand, Recall, Soak
from reconciler.core.reasons import Reason
from reconciler.core.strategies.progress import Progress, Wish


@dataclass(frozen=True, slots=True)
class Preflight:
    """Check, changing nothing: the model verifies, a policy allows it, the host has room."""

    verb: ClassVar[str] = "preflight"
    host: str
    spec: InstanceSpec
    reason: Reason


@dataclass(frozen=True, slots=True)
class Start:
    """Create and start the instance of `spec`; `revision` says on whose behalf."""

    verb: ClassVar[str] = "start"
    host: str
    spec: InstanceSpec
    revision: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Restart:
    """Start again an instance that has exited."""

    verb: ClassVar[str] = "restart"
    host: str
    deployment: str
    instance: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Renew:
    """Hand a good version that its runtime refuses a fresh permit, and let it try again."""

    verb: ClassVar[str] = "renew"
    host: str
    spec: InstanceSpec
    reason: Reason

    @property
    def instance(self) -> str:
        """Its name."""
        return self.spec.name


@dataclass(frozen=True, slots=True)
class Accept:
    """Run the acceptance tests on the candidate; `against` is the serving instance, if any."""

    verb: ClassVar[str] = "accept"
    host: str
    spec: InstanceSpec
    revision: str
    against: str | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Pair:
    """A candidate on its host, and the instance that serves there, if there is one."""

    candidate: InstanceSpec
    stable: str | None


@dataclass(frozen=True, slots=True)
class Measure:
    """Measure `metrics` of the analysis `run`, on all of `pairs` together.

    It is done beside the hosts' lanes; `remembering` keeps the outcome with the first host.
    """

    verb: ClassVar[str] = "measure"
    pairs: tuple[Pair, ...]
    run: AnalysisRun
    metrics: tuple[str, ...]
    reason: Reason

    @property
    def spec(self) -> InstanceSpec:
        """The candidate on the first host."""
        return self.pairs[0].candidate

    @property
    def host(self) -> str:
        """The first host."""
        return self.spec.host


@dataclass(frozen=True, slots=True)
class RouteTo:
    """Send all traffic of the model to the instance of `spec`."""

    verb: ClassVar[str] = "route"
    host: str
    spec: InstanceSpec
    reason: Reason

    @property
    def route(self) -> Route:
        """What the engine is asked for."""
        return Route(self.spec.model, self.spec.deployment, self.spec.name)


@dataclass(frozen=True, slots=True)
class Shift:
    """Give the candidate `spec` this share of the model's traffic; the rest stays with `stable`.

    Without a share all of it is the stable instance's again.
    """

    verb: ClassVar[str] = "shift"
    host: str
    spec: InstanceSpec
    stable: str
    share: Share | None
    reason: Reason

    @property
    def route(self) -> Route:
        """What the engine is asked for."""
        return Route(self.spec.model, self.spec.deployment, self.stable, self.share)


@dataclass(frozen=True, slots=True)
class Unroute:
    """Send no more traffic of `model` to this host."""

    verb: ClassVar[str] = "unroute"
    host: str
    deployment: str
    model: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Remove:
    """Drain, stop and delete an instance that has no traffic."""

    verb: ClassVar[str] = "remove"
    host: str
    deployment: str
    instance: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Settle:
    """Remember `specs`, one a host, as last known good: all hosts of a rollout at once."""

    verb: ClassVar[str] = "settle"
    deployment: str
    specs: tuple[InstanceSpec, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Proceed:
    """Remember that a rollout is further, unless it is elsewhere than `before` by now.

    `granted` is the id of the wish of a person that is met (or comes to nothing) by this.
    """

    verb: ClassVar[str] = "proceed"
    deployment: str
    before: Progress | None
    after: Progress | None
    spec: InstanceSpec
    reason: Reason
    granted: str = ""


@dataclass(frozen=True, slots=True)
class Forget:
    """Remember nothing more of a deployment on a host it has left."""

    verb: ClassVar[str] = "forget"
    host: str
    deployment: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Never start this revision of the deployment again; recorded before hosts go back."""

    verb: ClassVar[str] = "quarantine"
    host: str
    deployment: str
    revision: str
    spec: InstanceSpec
    reason: Reason


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Never start `revision` on this host again; others may go on with it."""

    verb: ClassVar[str] = "give-up"
    host: str
    spec: InstanceSpec
    revision: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Grant:
    """Remember what a person's wish for a deployment comes to; `spec` is what Git asks for."""

    verb: ClassVar[str] = "grant"
    deployment: str
    spec: InstanceSpec
    wish: Wish
    change: Change
    reason: Reason


HostAction: TypeAlias = (
    Preflight | Start | Restart | Renew | Accept | Measure | RouteTo | Shift | Unroute | Remove
)
Noted: TypeAlias = Begin | Decide | Soak | Track
Note: TypeAlias = Proceed | Settle | Forget | Quarantine | GiveUp | Grant | Noted
Beside: TypeAlias = Measure | Call | Look | Assess
ForGit: TypeAlias = reverts.ForGit | Propose | Promote | PromoteByHand | Recall | Bump | Withdraw
Action: TypeAlias = HostAction | Note | ForGit | Beside


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do here now, and why; `until` is seconds since the epoch where it is known."""

    deployment: str
    host: str | None
    reason: Reason
    until: float | None = None


def deployment_of(action: Action) -> str:
    """`environment/name` of the deployment that `action` is for."""
    match action:
        case Preflight() | Start() | Renew() | Accept() | Measure() | RouteTo() | Shift():
            return action.spec.deployment
        case GiveUp() | Call():
            return action.spec.deployment
        case Restart() | Unroute() | Remove() | Bump() | Withdraw() | PromoteByHand():
            return action.deployment
        case Proceed() | Settle() | Forget() | Quarantine() | Grant() | Recall():
            return action.deployment
        case Begin() | Decide() | Look() | Propose() | Soak() | Promote() | Track() | Assess():
            return action.deployment
        case reverts.PushRevert() | reverts.OpenRequest() | reverts.CloseRequest():
            return action.deployment


def key(action: Action) -> str:  # noqa: C901, PLR0911  an arm a kind
    """What makes two actions the same attempt, so that failures of one can be counted."""
    match action:
        case Preflight() | Start() | Renew() | Accept() | Measure() | RouteTo() | Shift():
            return f"{action.verb} {action.spec.name}"
        case Restart() | Remove():
            return f"{action.verb} {action.instance}"
        case Unroute():
            return f"{action.verb} {action.model}"
        case reverts.PushRevert() | reverts.OpenRequest() | reverts.CloseRequest():
            return f"{action.verb} {action.deployment}"
        case Proceed() | Settle() | Forget() | Quarantine() | GiveUp():
            return f"{action.verb} {deployment_of(action)}"
        case Grant() | PromoteByHand():
            return f"{action.wish.verb} {action.deployment}"
        case Begin() | Decide() | Look() | Propose() | Soak() | Promote() | Recall() | Assess():
            return f"{action.verb} {action.run.name}"
        case Track() | Bump() | Withdraw():
            return f"{action.verb} {action.name}"
        case Call():
            return f"{action.verb} {action.run.phase} hook {action.run.name}"
