"""What a plan can ask for where a version is followed: to remember, and to tell Git. Pure."""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.core import edit
from reconciler.core.following.run import Run
from reconciler.core.kinds.following import Follow
from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Reason
from reconciler.core.sources import Origin


@dataclass(frozen=True, slots=True)
class Track:
    """Remember what the registry says, and that Git asks for it already if it does; nothing any
    more where `after` is None."""

    verb: ClassVar[str] = "track"
    deployment: str
    after: Run | None
    reason: Reason

    @property
    def name(self) -> str:
        """What is followed."""
        return "nothing" if self.after is None else self.after.rule


@dataclass(frozen=True, slots=True)
class Bump:
    """Let Git ask for the first of `specs` that may be: version and digest in the file at `path`,
    of which nothing else changes. `was` is there now; a request of `run` that is open goes."""

    verb: ClassVar[str] = "follow"
    deployment: str
    path: str
    origin: Origin | None
    rule: Follow
    run: Run
    was: edit.Pin
    specs: tuple[InstanceSpec, ...]
    reason: Reason

    @property
    def name(self) -> str:
        """What is followed."""
        return self.run.rule


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Close the pull request of `run`: the registry says otherwise by now, or nobody follows."""

    verb: ClassVar[str] = "withdraw"
    deployment: str
    run: Run
    spec: InstanceSpec
    reason: Reason

    @property
    def name(self) -> str:
        """What was followed."""
        return self.run.rule
