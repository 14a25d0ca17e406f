"""Spans of a reconciler: the commit, each plan below it, each action below its plan.

The commit's span has the ids that follow from the commit, see `registry.core.commit_trace`, so the
spans of other programs lie below it without having heard of it. The SDK is heavy: only where
traces are declared is this imported.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from reconciler.core import actions, outcomes
from registry.core import commit_trace
from registry.spans import Exporter

_Ended: TypeAlias = Callable[[outcomes.Outcome], None]
_COMMIT = "vcs.ref.head.revision"
_MOST_PLANS = 1000


class Spans:
    """All of one reconciler; called from the loop, from Git's thread and from the hosts' lanes."""

    def __init__(self, address: str, holder: str) -> None:
        self._ids = _Ids()
        about = {"service.instance.id": holder} if holder else {}
        self._exporter = Exporter(address, "plimsoll-reconciler", about=about, ids=self._ids)
        self._tracer = self._exporter.provider.get_tracer("plimsoll.reconciler")
        self._plans: dict[str, SpanContext] = {}

    def taken_up(self, commit: str, begun: float, ended: float) -> None:
        """The first span of the commit's trace."""
        with self._ids.following(commit_trace.of(commit)):
            span = self._tracer.start_span(
                "commit", set_span_in_context(NonRecordingSpan(_NOWHERE)),
                attributes={_COMMIT: commit}, start_time=_nanoseconds(begun),
            )  # fmt: skip
        span.end(_nanoseconds(ended))

    def planned(
        self, wanted: Sequence[actions.Action], head: str, begun: float, ended: float
    ) -> None:
        """A span in the trace of each commit that anything is done for."""
        counted: dict[str, int] = {}
        for action in wanted:
            commit = _commit_of(action, head)
            counted[commit] = counted.get(commit, 0) + 1
        for commit, count in counted.items():
            about: dict[str, AttributeValue] = {_COMMIT: commit, "plimsoll.actions": count}
            span = self._tracer.start_span(
                "plan", set_span_in_context(NonRecordingSpan(_root(commit))),
                attributes=about, start_time=_nanoseconds(begun),
            )  # fmt: skip
            span.end(_nanoseconds(ended))
            self._keep(commit, span.get_span_context())

    @contextmanager
    def acting(self, action: actions.Action, head: str) -> Iterator[_Ended]:
        """A span below the plan; what the registry is asked meanwhile lies below it in turn."""
        commit = _commit_of(action, head)
        above = self._plans.get(commit) or _root(commit)
        with self._tracer.start_as_current_span(
            action.verb,
            set_span_in_context(NonRecordingSpan(above)),
            attributes={_COMMIT: commit, **_about(action)},
        ) as span:

            def ended(outcome: outcomes.Outcome) -> None:
                span.set_attribute("plimsoll.outcome", type(outcome).__name__.lower())
                if isinstance(outcome, outcomes.Failed):
                    span.set_status(StatusCode.ERROR, outcome.detail)

            yield ended

    def close(self) -> None:
        """Send what waits to be sent, for a moment."""
        self._exporter.close()

    def _keep(self, commit: str, plan: SpanContext) -> None:
        """The newest plan of each commit, of so many commits."""
        self._plans.pop(commit, None)
        self._plans[commit] = plan
        if len(self._plans) > _MOST_PLANS:
            del self._plans[next(iter(self._plans))]


class _Ids(RandomIdGenerator):
    """Drawn by chance, but for what this thread makes inside `following`."""

    def __init__(self) -> None:
        self._given = threading.local()

    @contextmanager
    def following(self, root: commit_trace.Root) -> Iterator[None]:
        self._given.root = root
        try:
            yield
        finally:
            self._given.root = None

    def generate_trace_id(self) -> int:
        root: commit_trace.Root | None = getattr(self._given, "root", None)
        return super().generate_trace_id() if root is None else root.trace

    def generate_span_id(self) -> int:
        root: commit_trace.Root | None = getattr(self._given, "root", None)
        return super().generate_span_id() if root is None else root.span


_NOWHERE = SpanContext(0, 0, is_remote=False)


def _root(commit: str) -> SpanContext:
    found = commit_trace.of(commit)
    return SpanContext(found.trace, found.span, is_remote=True, trace_flags=TraceFlags(1))


def _commit_of(action: actions.Action, head: str) -> str:
    """The commit that asked for the action: its instance's, else the one in force."""
    spec = getattr(action, "spec", None)
    return head if spec is None or not spec.commit else str(spec.commit)


def _about(action: actions.Action) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {
        "plimsoll.deployment": actions.deployment_of(action),
        "plimsoll.reason": str(action.reason.code),
    }
    host, spec = getattr(action, "host", None), getattr(action, "spec", None)
    if host:
        found["host.name"] = host
    if spec is not None:
        found |= {"plimsoll.model": spec.model, "plimsoll.version": spec.version}
        found["plimsoll.digest"] = spec.digest
    return found


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
