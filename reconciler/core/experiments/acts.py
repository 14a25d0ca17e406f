"""What a plan can ask for about an experiment; `run` names no run but the one it is about. Pure."""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from reconciler.core import edit
from reconciler.core.experiments.run import Decision, Run
from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Reason
from reconciler.core.sources import Origin


@dataclass(frozen=True, slots=True)
class Begin:
    """Remember that `run` begins: from now on users are shared. `spec` is the treatment."""

    verb: ClassVar[str] = "begin-experiment"
    deployment: str
    run: Run
    spec: InstanceSpec
    reason: Reason


@dataclass(frozen=True, slots=True)
class Shared:
    """A host on which users are shared now: the treatment, and the control's instance."""

    treatment: InstanceSpec
    control: str


@dataclass(frozen=True, slots=True)
class Look:
    """Look at what both variants came to since the last look, on all of `hosts`."""

    verb: ClassVar[str] = "look-at-experiment"
    deployment: str
    run: Run
    model: str
    hosts: tuple[Shared, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Decide:
    """Remember that `run` is over, and what it came to: all users are the control's again."""

    verb: ClassVar[str] = "decide-experiment"
    deployment: str
    run: Run
    decision: Decision
    spec: InstanceSpec
    reason: Reason


@dataclass(frozen=True, slots=True)
class Propose:
    """Let Git ask for the winner, as the experiment's file says: in the file at `path`, of which
    nothing else changes, on top of the commit of `spec`, the treatment. `was` is the control."""

    verb: ClassVar[str] = "propose-winner"
    deployment: str
    path: str
    origin: Origin | None
    run: Run
    was: edit.Pin
    spec: InstanceSpec
    reason: Reason


OfExperiment: TypeAlias = Begin | Look | Decide
