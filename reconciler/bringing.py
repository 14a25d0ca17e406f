"""Tells Git of the version that a deployment follows, once the registry shows that it may go there.

Verified anew, allowed by the policies of the deployment, with the evidence that its file asks for;
where an alias is followed, the log that others witness has its move, too. On record before Git is
told. A version that may not is passed over, where there is another one in the range.
"""

from dataclasses import dataclass

from reconciler import journal, judging, proposal, reading
from reconciler.core import demands, desired, outcomes
from reconciler.core.following import words
from reconciler.core.following.acts import Bump, Withdraw
from reconciler.core.observed import InstanceSpec
from registry import errors
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.core.envelope import Refused


@dataclass(frozen=True, slots=True)
class Bringer:
    """`Lacking` is what comes by itself, or by people: the plan asks again."""

    judge: judging.Judge
    journal: journal.Journal
    proposals: proposal.Proposals

    def perform(self, action: Bump, state: desired.DesiredState) -> outcomes.Outcome:
        """Safe to repeat; raises `GitUnavailable`, `Conflict`, `Unavailable` and the like."""
        passed_over: list[str] = []
        for spec in action.specs:
            trouble = self._trouble(action, spec, state)
            if not trouble:
                return self._bring(action, spec, passed_over)
            passed_over.append(f"version {spec.version}: {trouble}")
        return outcomes.Lacking("; ".join(passed_over))

    def withdraw(self, action: Withdraw) -> outcomes.Outcome:
        """Close its request; one that somebody has merged or closed is left as it is."""
        request = self.proposals.request(action.run.request, words.branch(action.deployment))
        self._close(request, action.spec, action.reason.text)
        return outcomes.Done()

    def _trouble(self, action: Bump, spec: InstanceSpec, state: desired.DesiredState) -> str:
        """Why it may not be; empty where it may."""
        deployment = state.deployments[action.deployment].asking_for(spec)
        try:
            found = self.judge.promotable(spec, deployment, state)
        except errors.NotFound as error:
            return error.detail
        if isinstance(found, Refused):
            return found.reason
        if action.rule.alias is not None:
            said = _elsewhere(self.judge.reading, spec, action.rule.alias)
            if said:
                return said
        return "; ".join(demands.lacking(action.rule.evidence, found))

    def _bring(self, action: Bump, spec: InstanceSpec, passed_over: list[str]) -> outcomes.Outcome:
        run, was = action.run, action.was
        detail: dict[str, Json] = {
            "follows": run.rule,
            "replaced": {"version": was.version, "digest": was.digest},
            "moved": run.moved,
            "passedOver": [*passed_over],
        }
        key = ("followed", action.deployment, run.rule, spec.digest, repr(run.since))
        fields = journal.about(spec, action.reason.text, detail)
        self.journal.require_once(key, Kind.FOLLOWED, fields)
        newer = f"version {spec.version} takes its place"
        self._close(run.request, spec, newer)
        repository = self.proposals.repository
        is_direct = action.rule.by == "commit"
        told = self.proposals.change(
            action.path,
            spec.commit,
            branch=repository.branch if is_direct else words.branch(action.deployment),
            edited=lambda text: words.content(action, spec, text),
            message=words.message(action, spec),
        )
        return outcomes.Brought(spec.version, told.where, told.request)

    def _close(self, request: int | None, spec: InstanceSpec, why: str) -> None:
        if request is None or self.proposals.forge is None:
            return
        if self.proposals.forge.close(request, f"Needed no longer: {why}."):
            fields = journal.about(spec, why, {"number": request})
            key = ("follow-withdrawn", spec.deployment, str(request), why)
            self.journal.record_once(key, Kind.FOLLOW_WITHDRAWN, fields)


def _elsewhere(log: reading.Reading, spec: InstanceSpec, alias: str) -> str:
    """Why the log does not say that the alias is there; empty where it does."""
    points_at = log.alias(spec.model, alias)
    if points_at == spec.version:
        return ""
    return f"the log has {spec.model}:{alias} at {points_at or 'no version'}"
