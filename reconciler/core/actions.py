"""What a plan can ask for, one frozen value per kind: printing them is the dry run.

Every action says why in a machine-readable `Reason`. Actions on one host do not depend on
each other's outcome; a plan holds only steps that are safe whichever of them succeed.
`Quarantine`, `Settle` and `Forget` change only what is remembered; `PushRevert` only Git.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, TypeAlias

from reconciler.core.observed import InstanceSpec, Route
from registry.core.canonical import Json


class Why(StrEnum):
    """Stable codes for every reason to act or to wait; users and dashboards may rely on them."""

    NEW_SPEC = "new_spec"
    VANISHED = "vanished"
    NEVER_STARTED = "never_started"
    EXITED = "exited"
    NOT_VERIFIED = "not_verified"
    NOT_ACCEPTED = "not_accepted"
    ACCEPTED = "accepted"
    NOT_ROUTED = "not_routed"
    INGRESS_DOWN = "ingress_down"
    ROLLED_BACK = "rolled_back"
    SETTLED = "settled"
    ADOPTED = "adopted"
    SUPERSEDED = "superseded"
    REMOVED_FROM_GIT = "removed_from_git"
    NOT_A_TARGET = "not_a_target"
    MODEL_CHANGED = "model_changed"

    ACCEPTANCE_FAILED = "acceptance_failed"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CRASH_LOOP = "crash_loop"
    UNHEALTHY_AFTER_ROUTING = "unhealthy_after_routing"
    REFUSED_BY_RUNTIME = "refused_by_runtime"

    UNHEALTHY = "unhealthy"
    WAITING_FOR_HEALTH = "waiting_for_health"
    WAITING_FOR_HOSTS = "waiting_for_hosts"
    WAITING_FOR_PROMOTION = "waiting_for_promotion"
    WAITING_TO_SCALE_DOWN = "waiting_to_scale_down"
    WAITING_FOR_SUCCESSOR = "waiting_for_successor"
    BACKING_OFF = "backing_off"
    REFUSED = "refused"
    BLOCKED = "blocked"
    QUARANTINED = "quarantined"
    HELD_BY_POLICY = "held_by_policy"
    SUSPENDED = "suspended"
    UNREACHABLE = "unreachable"
    INVALID_FILE = "invalid_file"
    EMPTY_DESIRED_STATE = "empty_desired_state"
    HOST_NOT_DECLARED = "host_not_declared"


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable code and one sentence for people."""

    code: Why
    text: str


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
class PushRevert:
    """Propose to Git what the hosts do already: `path` as it was when `good` was deployed."""

    verb: ClassVar[str] = "push-revert"
    deployment: str
    path: str
    revision: str
    bad: InstanceSpec
    good: InstanceSpec
    reason: Reason


HostAction: TypeAlias = Preflight | Start | Restart | Renew | Accept | RouteTo | Unroute | Remove
Note: TypeAlias = Settle | Forget | Quarantine
Action: TypeAlias = HostAction | Note | PushRevert


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
        case Preflight() | Start() | Renew() | Accept() | RouteTo():
            return action.spec.deployment
        case Restart() | Unroute() | Remove() | Settle() | Forget() | Quarantine() | PushRevert():
            return action.deployment


def key(action: Action) -> str:
    """What makes two actions the same attempt, so that failures of one can be counted."""
    match action:
        case Preflight() | Start() | Renew() | Accept() | RouteTo():
            return f"{action.verb} {action.spec.name}"
        case Restart() | Remove():
            return f"{action.verb} {action.instance}"
        case Unroute():
            return f"{action.verb} {action.model}"
        case Settle() | Forget() | Quarantine() | PushRevert():
            return f"{action.verb} {action.deployment}"


def place(action: Action) -> str:
    """The host that `action` is about, `git`, or `fleet` where it is about all hosts."""
    match action:
        case PushRevert():
            return "git"
        case Settle():
            return "fleet"
        case (
            Preflight()
            | Start()
            | Restart()
            | Renew()
            | Accept()
            | RouteTo()
            | Unroute()
            | Remove()
            | Forget()
            | Quarantine()
        ):
            return action.host


def render(action: Action) -> str:
    """One line for people: where, what, why."""
    return f"{place(action)}: {key(action)} ({action.reason.code}: {action.reason.text})"


def document(action: Action) -> dict[str, Json]:
    """The JSON form of an action, for plans and statuses."""
    return {
        "action": key(action),
        "verb": action.verb,
        "place": place(action),
        "deployment": deployment_of(action),
        "code": action.reason.code,
        "text": action.reason.text,
    }


def wait_document(wait: Wait) -> dict[str, Json]:
    """The JSON form of a wait."""
    return {
        "deployment": wait.deployment,
        "host": wait.host,
        "code": wait.reason.code,
        "text": wait.reason.text,
        "until": wait.until,
    }
