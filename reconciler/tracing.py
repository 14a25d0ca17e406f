"""From a commit to what came of it, as one trace; nothing where no collector is declared."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeAlias

from reconciler.core import actions, outcomes
from registry import traceparent

# Tells a span how the action ended.
Ended: TypeAlias = Callable[[outcomes.Outcome], None]


class Traces(Protocol):
    """What a reconciler tells of its work. Times are seconds since the epoch."""

    def taken_up(self, commit: str, begun: float, ended: float) -> None:
        """The commit was fetched, judged and is in force."""

    def planned(
        self, wanted: Sequence[actions.Action], head: str, begun: float, ended: float
    ) -> None:
        """A round asks for these actions; one that asks for none is not told of."""

    def acting(self, action: actions.Action, head: str) -> AbstractContextManager[Ended]:
        """While the action is under way. `head` is the commit in force."""

    def close(self) -> None:
        """Send what waits to be sent, for a moment."""


class Untraced:
    """Tells nobody."""

    def taken_up(self, commit: str, begun: float, ended: float) -> None:
        """Nothing."""

    def planned(
        self, wanted: Sequence[actions.Action], head: str, begun: float, ended: float
    ) -> None:
        """Nothing."""

    def acting(self, action: actions.Action, head: str) -> AbstractContextManager[Ended]:  # noqa: ARG002
        """Nothing."""
        return nullcontext(_unheard)

    def close(self) -> None:
        """Nothing waits."""


def _unheard(_outcome: outcomes.Outcome) -> None:
    pass


def opened(address: str, holder: str) -> Traces:
    """Those that go to the collector at `address`; raises `InvalidConfig` where they cannot.

    `holder` tells one reconciler of several from the others.
    """
    if not address:
        return Untraced()
    with traceparent.loading_the_sdk(address):
        from reconciler import spanning  # noqa: PLC0415  heavy, and not always there
    return spanning.Spans(address, holder)
