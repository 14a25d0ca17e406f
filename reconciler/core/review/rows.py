"""One deployment in a plan for a pull request: what changes, and what is known of it. Pure."""

from dataclasses import dataclass

from reconciler.core.edit import Pin
from reconciler.core.review.changing import Effect, Field
from reconciler.core.review.facts import Fact, Refused
from reconciler.core.review.judged import Judged
from registry.core.policy import Area


@dataclass(frozen=True, slots=True)
class Good:
    """Where hosts go if it fails: the version that served well on `hosts` last."""

    version: int
    digest: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """A number before and after; None where it was not measured."""

    name: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """`fact` is about the version that is asked for, `earlier` about the one before.

    `breaks` is what clients of the version before cannot cope with, `wider` what they need not
    notice; `is_compared` says whether the tensors of both are known. `goods` are where hosts go
    if it fails, none where nothing ever served. `trouble` says why a file is held.
    """

    deployment: str
    path: str
    effect: Effect
    before: Pin | None
    after: Pin | None
    hosts: tuple[str, ...]
    strategy: str = ""
    acceptance: tuple[str, ...] = ()
    memory: tuple[str, str] = ("", "")
    fields: tuple[Field, ...] = ()
    fact: Fact | None = None
    earlier: Fact | None = None
    metrics: tuple[Delta, ...] = ()
    metrics_said: tuple[Delta, ...] = ()
    breaks: tuple[str, ...] = ()
    wider: tuple[str, ...] = ()
    is_compared: bool = False
    policies: tuple[Judged, ...] = ()
    goods: tuple[Good, ...] = ()
    trouble: tuple[str, ...] = ()

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why the version may run nowhere here; what planning holds back is not refused."""
        if isinstance(self.fact, Refused):
            return (f"verification ({self.fact.code}): {self.fact.reason}",)
        found = (judged.reasons for judged in self.policies if judged.area is not Area.PLAN)
        return tuple(reason for reasons in found for reason in reasons)
