"""A plan: what to do and what is waited for, in words and as a document. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from reconciler.core import actions, reverts, wording
from reconciler.core.actions import Action, Wait
from reconciler.core.experiments import acts
from reconciler.core.following.acts import Bump, Track, Withdraw
from reconciler.core.promotions.acts import Promote, PromoteByHand, Recall, Soak
from reconciler.core.reasons import Reason, Why
from registry.core import hostlist
from registry.core.canonical import Json

_SHORT = frozenset({Why.WAITING_FOR_HEALTH, Why.WAITING_FOR_HOSTS})


class Part(Enum):
    """In the order in which a plan has them."""

    ASKED_FOR = 0
    HELD = 1
    STRAY_WISH = 2
    LEAVING = 3
    FOR_GIT = 4


Steps: TypeAlias = tuple[tuple[Part, Action | Wait], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do at `commit`, in this order, and what is waited for."""

    commit: str
    actions: tuple[Action, ...]
    waits: tuple[Wait, ...]

    @property
    def is_progressing(self) -> bool:
        """Whether another look, very soon, is likely to find more to do."""
        return bool(self.actions) or any(wait.reason.code in _SHORT for wait in self.waits)

    @property
    def next_at(self) -> float | None:
        """When, at the earliest, time alone changes the plan; seconds since the epoch."""
        return min((wait.until for wait in self.waits if wait.until is not None), default=None)

    def document(self) -> dict[str, Json]:
        """The JSON form."""
        return {
            "commit": self.commit,
            "actions": [wording.document(action) for action in self.actions],
            "waits": [wording.wait_document(wait) for wait in self.waits],
        }

    def render(self) -> str:
        """The dry run: what is done, then what is waited for; hosts that are alike share a line."""
        same: dict[tuple[str, str, Reason], list[Action]] = {}
        for action in self.actions:
            about = action.verb, actions.deployment_of(action), action.reason
            same.setdefault(about, []).append(action)
        lines = [_line(found) for found in same.values()]
        alike: dict[tuple[str, Reason], list[str]] = {}
        for wait in self.waits:
            alike.setdefault((wait.deployment, wait.reason), []).append(wait.host or "fleet")
        lines += [
            f"{hostlist.folded(hosts)}: wait {deployment} ({reason.code}: {reason.text})"
            for (deployment, reason), hosts in alike.items()
        ]
        return "\n".join(lines) or "nothing to do"

    def summary(self) -> str:
        """How much it is, in a few words."""
        places = {wording.place(action) for action in self.actions} - {"fleet", "git"}
        waiting = {wait.host for wait in self.waits if wait.host} - places
        acting = f"{len(self.actions)} actions" + (f" on {len(places)} hosts" if places else "")
        return f"{acting}, {len(waiting)} hosts wait" if waiting else acting


def order(action: Action) -> int:
    """What is only remembered goes first: a crash after it loses nothing."""
    match action:
        case (
            actions.Quarantine()
            | actions.GiveUp()
            | actions.Proceed()
            | actions.Settle()
            | actions.Grant()
            | actions.Forget()
            | acts.Begin()
            | acts.Decide()
            | Soak()
            | Track()
        ):
            return 0
        case reverts.PushRevert() | reverts.OpenRequest() | reverts.CloseRequest():
            return 2
        case acts.Propose() | Promote() | PromoteByHand() | Recall() | Bump() | Withdraw():
            return 2
        case _:
            return 1


def _line(found: list[Action]) -> str:
    """One line for actions of one kind, for one reason."""
    if len(found) == 1:
        return wording.render(found[0])
    one, hosts = found[0], hostlist.folded(map(wording.place, found))
    what = f"{one.verb} {actions.deployment_of(one)}"
    return f"{hosts}: {what} ({one.reason.code}: {one.reason.text})"


def joined(commit: str, said: Mapping[str, Steps]) -> Plan:
    """The plan at `commit` of what is `said` about each deployment."""
    parts: dict[Part, list[Action | Wait]] = {part: [] for part in Part}
    for key in sorted(said):
        for part, step in said[key]:
            parts[part].append(step)
    found = [step for part in Part for step in parts[part]]
    done = [step for step in found if not isinstance(step, Wait)]
    return Plan(
        commit=commit,
        actions=tuple(sorted(done, key=order)),
        waits=tuple(step for step in found if isinstance(step, Wait)),
    )
