"""Performs what a person's wish comes to: the version to go back to is checked, the log is told.

A version that trust or policy refuse is not gone back to. Where the registry does not answer,
what was decided when the version last served stands: an outage must not keep anybody from going
back. The log has the person under a pseudonym.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler import journal, judging
from reconciler.core import actions, changes, desired, outcomes
from reconciler.core.observed import InstanceSpec
from reconciler.core.rollout import Pin, Verdict
from registry import errors
from registry.core.canonical import Json
from registry.core.entries import Kind


@dataclass(frozen=True, slots=True)
class Answers:
    """One per reconciler; `pseudonym` is what the log calls an account."""

    judge: judging.Judge
    journal: journal.Journal
    pseudonym: Callable[[str], str]

    def called(self, by: str) -> str:
        """What the log calls who asked; who asked the registry it knows already, as `role:name`,
        and no account has a colon."""
        return by if not by or ":" in by else self.pseudonym(by)

    def perform(self, action: actions.Grant, state: desired.DesiredState) -> outcomes.Outcome:
        """Decide and write down; nothing is done to any host here."""
        match action.change:
            case changes.GoBack():
                return self._go_back(action, action.change, state)
            case changes.Hold(pin):
                return self._hold(action, pin, state)
            case changes.TryAgain() | changes.LetGo():
                self._tell(action, granted=True)
                return outcomes.Done()
            case changes.Decline():
                self._tell(action, granted=False)
                return outcomes.Done()

    def _go_back(
        self, action: actions.Grant, change: changes.GoBack, state: desired.DesiredState
    ) -> outcomes.Done | outcomes.Preflighted:
        outcome = self._checked(change.goods, state)
        if isinstance(outcome, outcomes.Preflighted) and outcome.verdict is not Verdict.PASSED:
            self._tell(action, granted=False, why="; ".join(outcome.reasons))
            return outcome
        self._tell(action, granted=True)
        fields = journal.about(action.spec, action.reason.text, self._detail(action))
        key = ("quarantined", action.wish.id)
        return replace(outcome, entry=self.journal.record_once(key, Kind.QUARANTINED, fields))

    def _hold(
        self, action: actions.Grant, pin: Pin, state: desired.DesiredState
    ) -> outcomes.Outcome:
        """Preflight asks again, so a silent registry stands in nobody's way here."""
        spec = replace(action.spec, version=pin.version, digest=pin.digest)
        outcome = self._checked((spec,), state)
        denied = isinstance(outcome, outcomes.Preflighted) and outcome.reasons
        self._tell(action, granted=not denied, why="; ".join(denied or ()))
        return outcome

    def _checked(
        self, goods: tuple[InstanceSpec, ...], state: desired.DesiredState
    ) -> outcomes.Done | outcomes.Preflighted:
        """Each version once, on behalf of all hosts."""
        refusals: list[str] = []
        for spec in {one.digest: replace(one, host="") for one in goods}.values():
            deployment = state.deployments[spec.deployment].asking_for(spec)
            asked = replace(state, deployments={deployment.key: deployment})
            try:
                refusals += self.judge.refusals(spec, asked)
            except (errors.Unavailable, errors.Unauthenticated, errors.Forbidden):
                return outcomes.Done()
            except errors.PlimsollError as error:
                refusals.append(f"{spec.model}@{spec.version}: {error.detail}")
        verdict = Verdict.REFUSED if refusals else Verdict.PASSED
        return outcomes.Preflighted(state.policies.digest, verdict, tuple(refusals))

    def _tell(self, action: actions.Grant, *, granted: bool, why: str = "") -> None:
        detail = {**self._detail(action), "granted": granted, "why": why}
        fields = journal.about(action.spec, action.reason.text, detail)
        self.journal.record_once(("steered", action.wish.id), Kind.STEERED, fields)

    def _detail(self, action: actions.Grant) -> dict[str, Json]:
        wish = action.wish
        by = self.called(wish.by)
        said: dict[str, Json] = {"asked": wish.verb.value, "by": by, "reason": wish.reason}
        return said if not wish.until else {**said, "version": wish.version, "until": wish.until}
