"""Actions and waits in words, for the dry run, and as JSON, for statuses."""

from reconciler.core import actions, hookruns, reverts
from reconciler.core.experiments import acts
from reconciler.core.following.acts import Bump, Track, Withdraw
from reconciler.core.promotions.acts import Assess, Promote, PromoteByHand, Recall, Soak
from registry.core.canonical import Json


def place(action: actions.Action) -> str:
    """The host that `action` is about, `git`, or `fleet` where it is about all hosts."""
    match action:
        case reverts.PushRevert() | reverts.OpenRequest() | reverts.CloseRequest():
            return "git"
        case acts.Propose() | Promote() | PromoteByHand() | Recall() | Bump() | Withdraw():
            return "git"
        case actions.Proceed() | actions.Settle() | actions.Grant() | hookruns.Call():
            return "fleet"
        case acts.Begin() | acts.Decide() | acts.Look() | Soak() | Track() | Assess():
            return "fleet"
        case (
            actions.Preflight()
            | actions.Start()
            | actions.Restart()
            | actions.Renew()
            | actions.Accept()
            | actions.Measure()
            | actions.RouteTo()
            | actions.Shift()
            | actions.Unroute()
            | actions.Remove()
            | actions.Forget()
            | actions.Quarantine()
            | actions.GiveUp()
        ):
            return action.host


def render(action: actions.Action) -> str:
    """One line for people: where, what, why."""
    return f"{place(action)}: {actions.key(action)} ({action.reason.code}: {action.reason.text})"


def document(action: actions.Action) -> dict[str, Json]:
    """The JSON form of an action, for plans and statuses."""
    return {
        "action": actions.key(action),
        "verb": action.verb,
        "place": place(action),
        "deployment": actions.deployment_of(action),
        "code": action.reason.code,
        "text": action.reason.text,
    }


def wait_document(wait: actions.Wait) -> dict[str, Json]:
    """The JSON form of a wait."""
    return {
        "deployment": wait.deployment,
        "host": wait.host,
        "code": wait.reason.code,
        "text": wait.reason.text,
        "until": wait.until,
    }
