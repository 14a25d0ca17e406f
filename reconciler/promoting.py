"""Tells Git of a promotion, once the registry says that the version may go there.

Verified anew, allowed by the policies of the deployment that it goes to, approved by enough people
who are not its author; and on record before Git is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler import journal, judging, proposal
from reconciler.core import desired, outcomes
from reconciler.core.promotions import words
from reconciler.core.promotions.acts import Promote
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.core.envelope import Refused, Verified
from registry.core.evidence import Kind as Evidence


@dataclass(frozen=True, slots=True)
class Promoter:
    """`Lacking` is what comes by itself, or by people: the plan asks again."""

    judge: judging.Judge
    journal: journal.Journal
    proposals: proposal.Proposals

    def perform(self, action: Promote, state: desired.DesiredState) -> outcomes.Outcome:
        """Safe to repeat; raises `GitUnavailable`, `Conflict`, `Unavailable` and the like."""
        deployment = state.deployments[action.deployment].asking_for(action.spec)
        found = self.judge.promotable(action.spec, deployment, state)
        if isinstance(found, Refused):
            return outcomes.Lacking(found.reason)
        approvers = approving(action, deployment, found)
        asked = action.promotion.spec.conditions.approvals
        if asked is not None and len(approvers) < asked.count:
            said = f"approved by {', '.join(approvers)}" if approvers else "approved by nobody"
            return outcomes.Lacking(f"{said}, {asked.count} have to")
        self._record(action, approvers, found)
        is_direct = action.promotion.spec.by == "commit"
        told = self.proposals.change(
            action.path,
            action.spec.commit,
            branch=self.proposals.repository.branch if is_direct else words.branch(action),
            edited=lambda text: words.content(action, text),
            message=words.message(action, approvers),
        )
        return outcomes.Done(told.where)

    def _record(self, action: Promote, approvers: Sequence[str], found: Verified) -> None:
        evidence: list[Json] = [
            one.id
            for one in found.evidence
            if one.kind is Evidence.APPROVAL and one.signer in approvers
        ]
        detail: dict[str, Json] = {
            "promotion": action.promotion.metadata.name,
            "from": action.promotion.spec.from_,
            "soakedSince": datetime.fromtimestamp(action.run.since, UTC).isoformat(),
            "approvals": evidence,
        }
        key = ("promotion-decided", action.run.id)
        fields = journal.about(action.spec, action.reason.text, detail)
        self.journal.require_once(key, Kind.PROMOTION_DECIDED, fields)


def approving(action: Promote, deployment: desired.Deployment, found: Verified) -> list[str]:
    """Whose approvals count, by name: neither the publisher's, whom verification leaves out, nor
    of who brought the version into Git."""
    asked = action.promotion.spec.conditions.approvals
    named = [one.signer for one in found.evidence if one.kind is Evidence.APPROVAL]
    barred = {*action.run.authors, found.publisher}
    roles = deployment.roles
    return [
        name
        for name in dict.fromkeys(named)
        if name not in barred
        and (asked is None or asked.by is None or name in asked.by)
        and (roles is None or name in roles.approve)
    ]
