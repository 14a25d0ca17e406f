"""Tells Git of a promotion, once the registry says that the version may go there.

Verified anew, allowed by the policies of the deployment that it goes to, approved by enough people
who are not its author; and on record before Git is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from reconciler import journal, judging, overtaking, proposal
from reconciler.core import demands, desired, edit, outcomes
from reconciler.core.kinds.promotion import Approvals, Conditions
from reconciler.core.observed import InstanceSpec
from reconciler.core.promotions import recognising, words
from reconciler.core.promotions.acts import Promote, PromoteByHand, Recall
from reconciler.core.strategies.progress import Verb
from registry import errors
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.core.envelope import Refused, Verified
from registry.core.evidence import Kind as Evidence

_Asked: TypeAlias = Promote | PromoteByHand


@dataclass(frozen=True, slots=True)
class _Shown:
    """Whose approvals count, and the ids of these."""

    approvers: list[str]
    evidence: list[Json]


@dataclass(frozen=True, slots=True)
class Promoter:
    """`Lacking` is what comes by itself, or by people: the plan asks again."""

    judge: judging.Judge
    journal: journal.Journal
    proposals: proposal.Proposals

    def perform(self, action: Promote, state: desired.DesiredState) -> outcomes.Outcome:
        """Safe to repeat; raises `GitUnavailable`, `Conflict`, `Unavailable` and the like."""
        deployment = state.deployments[action.deployment].asking_for(action.spec)
        barred = action.run.authors
        shown = self._shown(action, action.promotion.spec.conditions, deployment, state, barred)
        if isinstance(shown, str):
            return outcomes.Lacking(shown)
        run, promotion = action.run, action.promotion
        detail: dict[str, Json] = {
            "promotion": promotion.metadata.name,
            "from": promotion.spec.from_,
            "soakedSince": datetime.fromtimestamp(run.since, UTC).isoformat(),
            "approvals": shown.evidence,
        }
        self._record(("promotion-decided", run.id), action, detail)
        is_direct = promotion.spec.by == "commit"
        message = words.message(action, shown.approvers)
        told = self._tell(action, words.branch(action), message, is_direct=is_direct)
        if run.overtaken is not None:
            newer = f"version {run.version} takes its place: {told.where}"
            self._close(run.overtaken.request, action.spec, newer)
        self._overtake(action.spec, told, own=words.branch(action), below=run.version)
        return outcomes.Brought(run.version, told.where, told.request)

    def recall(self, action: Recall) -> outcomes.Outcome:
        """Close its request; one that somebody has merged or closed is left as it is."""
        branch = recognising.branch(action.deployment, action.run.id)
        request = self.proposals.request(action.run.request, branch)
        self._close(request, action.spec, action.reason.text)
        return outcomes.Done()

    def by_hand(
        self, action: PromoteByHand, state: desired.DesiredState, pseudonym: str
    ) -> outcomes.Outcome:
        """For a person, whom the log has under a pseudonym; safe to repeat, raises the same."""
        deployment = state.deployments[action.deployment].asking_for(action.spec)
        promotion = action.promotion
        conditions = None if promotion is None else promotion.spec.conditions
        shown = self._shown(action, conditions, deployment, state, action.authors)
        if isinstance(shown, str):
            return outcomes.Lacking(shown)
        detail: dict[str, Json] = {
            "promotion": "" if promotion is None else promotion.metadata.name,
            "by": pseudonym,
            "reason": action.wish.reason,
            "approvals": shown.evidence,
        }
        self._record(("promotion-decided", action.wish.id), action, detail)
        is_direct = action.wish.verb is Verb.COMMIT
        message = words.message_by_hand(action, shown.approvers)
        branch = words.branch_by_hand(action)
        told = self._tell(action, branch, message, is_direct=is_direct)
        try:
            left = self._overtake(action.spec, told, own=branch)
        except errors.PlimsollError as error:  # Git was told all the same, and nobody asks again
            left = [f"requests for other versions may be open still: {error.detail}"]
        return outcomes.Done("; ".join([told.where, *left]))

    def _overtake(
        self, spec: InstanceSpec, told: proposal.Told, *, own: str, below: int | None = None
    ) -> list[str]:
        """Close what people asked for before, of what is `below` a version where one is given: a
        promotion is no answer to somebody who wants a newer one. Says what stays open, and why."""
        forge, left = self.proposals.forge, []
        if forge is None:
            return []
        repository = self.proposals.repository
        for older in overtaking.found(repository, forge, spec, own=own, below=below):
            if older.is_edited:
                left.append(overtaking.leave(forge, older, spec, told.where))
                continue
            about = edit.respecified(spec, older.asked.version, older.asked.digest)
            newer = f"version {spec.version} takes its place: {told.where}"
            self._close(older.request.number, about, newer)
        return left

    def _shown(
        self,
        action: _Asked,
        conditions: Conditions | None,
        deployment: desired.Deployment,
        state: desired.DesiredState,
        barred: Sequence[str],
    ) -> "_Shown | str":
        """Who approves, or what is missing."""
        found = self.judge.promotable(action.spec, deployment, state)
        if isinstance(found, Refused):
            return found.reason
        if conditions is None:
            return _Shown([], [])
        if lacking := list(demands.lacking(conditions.evidence, found)):
            return "; ".join(lacking)
        approvers = approving(conditions.approvals, deployment, found, barred)
        asked = conditions.approvals
        if asked is not None and len(approvers) < asked.count:
            said = f"approved by {', '.join(approvers)}" if approvers else "approved by nobody"
            return f"{said}, {asked.count} have to"
        evidence: list[Json] = [
            one.id
            for one in found.evidence
            if one.kind is Evidence.APPROVAL and one.signer in approvers
        ]
        return _Shown(approvers, evidence)

    def _record(self, key: tuple[str, str], action: _Asked, detail: dict[str, Json]) -> None:
        fields = journal.about(action.spec, action.reason.text, detail)
        self.journal.require_once(key, Kind.PROMOTION_DECIDED, fields)

    def _tell(self, action: _Asked, branch: str, message: str, *, is_direct: bool) -> proposal.Told:
        return self.proposals.change(
            action.path,
            action.spec.commit,
            branch=self.proposals.repository.branch if is_direct else branch,
            edited=lambda text: words.content(action, text),
            message=message,
        )

    def _close(self, request: int | None, spec: InstanceSpec, why: str) -> None:
        if request is None or self.proposals.forge is None:
            return
        if self.proposals.forge.close(request, f"Needed no longer: {why}."):
            fields = journal.about(spec, why, {"number": request})
            key = ("promotion-withdrawn", spec.deployment, str(request), why)
            self.journal.record_once(key, Kind.PROMOTION_WITHDRAWN, fields)


def approving(
    asked: Approvals | None,
    deployment: desired.Deployment,
    found: Verified,
    authors: Sequence[str],
) -> list[str]:
    """Whose approvals count, by name: neither the publisher's, whom verification leaves out, nor
    of who brought the version into Git."""
    named = [one.signer for one in found.evidence if one.kind is Evidence.APPROVAL]
    barred = {*authors, found.publisher}
    roles = deployment.roles
    return [
        name
        for name in dict.fromkeys(named)
        if name not in barred
        and (asked is None or asked.by is None or name in asked.by)
        and (roles is None or name in roles.approve)
    ]
