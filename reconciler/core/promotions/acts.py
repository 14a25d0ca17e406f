"""What a plan can ask for about a promotion: to remember, and to tell Git. Pure."""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.core import edit
from reconciler.core.kinds.promotion import Promotion
from reconciler.core.observed import InstanceSpec
from reconciler.core.promotions.run import Run
from reconciler.core.reasons import Reason
from reconciler.core.sources import Origin
from reconciler.core.strategies.progress import Wish


@dataclass(frozen=True, slots=True)
class Soak:
    """Remember that `run` began, or that it counts no longer (`after` is None)."""

    verb: ClassVar[str] = "soak"
    deployment: str
    run: Run
    after: Run | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Assess:
    """Measure `metrics` of the analysis of `run` on the hosts where its source serves: `specs`."""

    verb: ClassVar[str] = "assess"
    deployment: str
    specs: tuple[InstanceSpec, ...]
    run: Run
    metrics: tuple[str, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Promote:
    """Let Git ask for `spec`, once the registry says that it may be and that enough approve:
    version and digest in the file at `path`, of which nothing else changes. `was` is there now;
    an open pull request of the version that it overtakes is closed."""

    verb: ClassVar[str] = "promote"
    deployment: str
    path: str
    origin: Origin | None
    promotion: Promotion
    run: Run
    was: edit.Pin
    spec: InstanceSpec
    reason: Reason


@dataclass(frozen=True, slots=True)
class Recall:
    """Close the pull request of `run`, which is needed no longer; `after` is what stays known."""

    verb: ClassVar[str] = "withdraw"
    deployment: str
    run: Run
    spec: InstanceSpec
    after: Run | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class PromoteByHand:
    """As `Promote`, for the `wish` of a person: once, and then it is answered. `authors` are the
    people of the commit in force; where a promotion leads there its conditions count."""

    verb: ClassVar[str] = "promote"
    deployment: str
    path: str
    origin: Origin | None
    promotion: Promotion | None
    wish: Wish
    was: edit.Pin
    spec: InstanceSpec
    authors: tuple[str, ...]
    reason: Reason
