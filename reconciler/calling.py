"""Calls a rollout's hook: one POST of a CloudEvent, to an address that the configuration allows.

At least once: after a crash the same event is posted again, with the same id and the same bytes,
so whoever answers can tell that they know it.
"""

from dataclasses import dataclass, replace

from reconciler import journal
from reconciler.config import Sources
from reconciler.core import hookruns, outcomes
from reconciler.measuring import asking
from registry.core import canonical
from registry.core.canonical import Json
from registry.core.entries import Kind

_LIMIT_BYTES = 1 << 16
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Caller:
    """`sources` are whom it may call."""

    journal: journal.Journal
    sources: Sources

    def call(self, action: hookruns.Call) -> outcomes.Done | outcomes.Failed:
        """Raises `Unavailable` where nobody answers in time."""
        source = asking.below(action.url, self.sources.hooks)
        if source is None:
            return outcomes.Failed(
                f"{action.url} is below no [[reconciler.hooks]] address of the configuration"
            )
        answer = asking.ask(
            action.url,
            method="POST",
            headers={
                "content-type": "application/cloudevents+json",
                "idempotency-key": action.id,
            },
            body=canonical.encode(hookruns.event(action)),
            source=source,
            limit=_LIMIT_BYTES,
            patience_s=action.timeout_s,
        )
        if not 200 <= answer.status < 300:
            said = answer.body.decode("utf-8", "replace")[:_SHOWN].strip()
            return outcomes.Failed(f"{action.url} answered {answer.status} {said}".rstrip())
        self._tell(action)
        return outcomes.Done()

    def _tell(self, action: hookruns.Call) -> None:
        run = action.run
        detail: dict[str, Json] = {"phase": run.phase, "hook": run.name, "event": action.id}
        fields = journal.about(replace(action.spec, host=""), action.reason.text, detail)
        self.journal.record_once(("hook", action.id), Kind.HOOK_CALLED, fields)
