"""Performs one action on one host and says how it ended: intent → effect → outcome.

The intent is in the registry's log before anything new starts or gets traffic. Bringing back
what served before needs no log entry first: a registry outage stops changes, never serving.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler import (
    accepting,
    analysing,
    answering,
    attesting,
    bringing,
    calling,
    journal,
    judging,
    launches,
    observing,
    permits,
    promoting,
    proposal,
)
from reconciler.core import (
    actions,
    capacity,
    desired,
    hookruns,
    outcomes,
    reasons,
    reverts,
)
from reconciler.core.experiments import acts
from reconciler.core.following.acts import Bump, Track, Withdraw
from reconciler.core.observed import InstanceSpec
from reconciler.core.promotions.acts import Assess, Promote, PromoteByHand, Recall, Soak
from reconciler.core.rollout import NO_ROLLOUT, HostRollout, Verdict
from reconciler.engines.protocol import Engine, Launch
from reconciler.trials import beside
from registry import errors
from registry.core.canonical import Json
from registry.core.entries import Kind


@dataclass(frozen=True, slots=True)
class Effects:
    """Everything an action may need."""

    judge: judging.Judge
    journal: journal.Journal
    proposals: proposal.Proposals
    permits: permits.Permits
    attester: attesting.Attester
    analyst: analysing.Analyst
    caller: calling.Caller
    answers: answering.Answers
    accepting: accepting.Accepting
    launches: launches.Launches

    def perform(
        self,
        action: actions.Action,
        state: desired.DesiredState,
        engines: Mapping[str, Engine],
    ) -> outcomes.Outcome:
        """Carry out `action`; an error of ours becomes `Failed` with its sentence."""
        try:
            return self._performed(action, state, engines)
        except errors.PlimsollError as error:
            return outcomes.Failed(error.detail)

    def _performed(  # noqa: C901, PLR0911, PLR0912  one arm an action, and mypy finds a missing one
        self,
        action: actions.Action,
        state: desired.DesiredState,
        engines: Mapping[str, Engine],
    ) -> outcomes.Outcome:
        match action:
            case actions.Preflight():
                return self._preflight(action, state, engines[action.host])
            case actions.Start():
                return self._start(action, state, engines[action.host])
            case actions.Restart():
                return self._restart(action, engines[action.host])
            case actions.Renew():
                return self._renew(action, state, engines[action.host])
            case actions.Accept():
                return self.accepting.perform(action, state, engines)
            case actions.Measure() | Assess():
                return self._measure(action, engines)
            case hookruns.Call():
                return self.caller.call(action)
            case acts.Begin() | acts.Look() | acts.Decide() | acts.Propose():
                return self._experiment(action, engines)
            case actions.RouteTo():
                return self._route(action, engines[action.host])
            case actions.Unroute() | actions.Remove():
                return self._take_away(action, engines[action.host])
            case actions.Quarantine() | actions.GiveUp():
                return self._failed(action)
            case reverts.PushRevert() | reverts.OpenRequest() | reverts.CloseRequest() | Promote():
                return self._for_git(action, state)
            case Bump() | Withdraw() | PromoteByHand() | Recall():
                return self._told(action, state)
            case actions.Shift():
                return self._shift(action, engines[action.host])
            case actions.Grant():
                return self.answers.perform(action, state)
            case actions.Proceed() | actions.Settle() | actions.Forget() | Soak() | Track():
                return self._noted(action)

    def _measure(
        self, action: actions.Measure | Assess, engines: Mapping[str, Engine]
    ) -> outcomes.Outcome:
        if isinstance(action, actions.Measure):
            return self.analyst.measure(action, engines)
        if action.run.analysis is None:
            return outcomes.Lacking("no analysis is under way")
        pairs = tuple(actions.Pair(spec, None) for spec in action.specs)
        asked = actions.Measure(pairs, action.run.analysis, action.metrics, action.reason)
        return self.analyst.measure(asked, engines)

    def _for_git(
        self, action: reverts.ForGit | Promote, state: desired.DesiredState
    ) -> outcomes.Outcome:
        if isinstance(action, Promote):
            promoter = promoting.Promoter(self.judge, self.journal, self.proposals)
            return promoter.perform(action, state)
        return self.proposals.perform(action)

    def _told(
        self, action: Bump | Withdraw | PromoteByHand | Recall, state: desired.DesiredState
    ) -> outcomes.Outcome:
        promoter = promoting.Promoter(self.judge, self.journal, self.proposals)
        if isinstance(action, Recall):
            return promoter.recall(action)
        if isinstance(action, PromoteByHand):
            return promoter.by_hand(action, state, self.answers.called(action.wish.by))
        bringer = bringing.Bringer(self.judge, self.journal, self.proposals)
        if isinstance(action, Withdraw):
            return bringer.withdraw(action)
        return bringer.perform(action, state)

    def _experiment(
        self, action: acts.OfExperiment | acts.Propose, engines: Mapping[str, Engine]
    ) -> outcomes.Outcome:
        if isinstance(action, acts.Propose):
            return self.proposals.propose(action)
        observer = observing.Observer(self.journal, self.analyst.sources, self.analyst.doors)
        return observer.perform(action, engines)

    def _preflight(
        self, action: actions.Preflight, state: desired.DesiredState, engine: Engine
    ) -> outcomes.Outcome:
        spec, policies = action.spec, state.policies.digest
        try:
            refusals = self.judge.refusals(spec, state)
        except errors.NotFound as error:
            missing = f"{spec.model}@{spec.version} is not in the registry: {error.detail}"
            return outcomes.Preflighted(policies, Verdict.BLOCKED, (missing,))
        if refusals:
            return outcomes.Preflighted(policies, Verdict.REFUSED, refusals)
        blocked = (
            *capacity.obstacles(spec, state, self.judge.rollouts()),
            *engine.preflight(spec),
            *beside.obstacles(engine, state.deployments[spec.deployment].templates),
            *filter(
                None,
                [self.permits.obstacle(spec.host), self.launches.secrets.obstacle(spec, state)],
            ),
        )
        verdict = Verdict.BLOCKED if blocked else Verdict.PASSED
        return outcomes.Preflighted(policies, verdict, blocked)

    def _start(
        self, action: actions.Start, state: desired.DesiredState, engine: Engine
    ) -> outcomes.Outcome:
        spec = action.spec
        if action.revision:
            self.judge.tell_begun(spec, state)
        self._announce(Kind.STARTING, spec, action.reason.text)
        issued = self.permits.issue(spec, self._facts(spec).preflight)
        launch = self._launch(spec, state, issued.text)
        fields = journal.about(spec, action.reason.text, {"permit": issued.serial})
        with self.journal.outcome(Kind.STARTED, fields, instance=spec.name):
            engine.start(spec, launch)
        return outcomes.Done()

    def _restart(self, action: actions.Restart, engine: Engine) -> outcomes.Outcome:
        engine.restart(action.instance)
        fields = _about_instance(action, engine)  # which takes a look: nobody waits for that
        self.journal.record(Kind.RESTARTED, fields)
        return outcomes.Done()

    def _renew(
        self, action: actions.Renew, state: desired.DesiredState, engine: Engine
    ) -> outcomes.Outcome:
        """By the decision of then: what served here is brought back without asking anew."""
        issued = self.permits.issue(action.spec, self._facts(action.spec).preflight)
        engine.renew(action.spec, self._launch(action.spec, state, issued.text))
        fields = journal.about(action.spec, action.reason.text, {"permit": issued.serial})
        self.journal.record(Kind.RESTARTED, fields)
        return outcomes.Done()

    def _route(self, action: actions.RouteTo, engine: Engine) -> outcomes.Outcome:
        self._announce(Kind.DEPLOYING, action.spec, action.reason.text)
        rolled_back = action.reason.code is reasons.Why.ROLLED_BACK
        kind = Kind.ROLLED_BACK if rolled_back else Kind.DEPLOYED
        # By its instance the log tells which removal ends this: another may have the same digest.
        name = action.spec.name
        fields = journal.about(action.spec, action.reason.text, {"instance": name})
        with self.journal.outcome(kind, fields, instance=name, route=action.route):
            engine.route(action.route)
        return outcomes.Done()

    def _shift(self, action: actions.Shift, engine: Engine) -> outcomes.Outcome:
        """What a candidate gets is in the log before it gets it; what it loses, after."""
        share = action.share
        detail: dict[str, Json] = {"instance": action.spec.name, "stable": action.stable}
        if share is not None:
            detail |= {"weight": share.weight, "mirror": share.mirror}
            detail |= {"headers": [*sorted({header.name for header in share.headers})]}
            fields = journal.about(action.spec, action.reason.text, detail)
            self.journal.require(Kind.SHIFTING, fields)
        fields, route = journal.about(action.spec, action.reason.text, detail), action.route
        with self.journal.outcome(Kind.SHIFTED, fields, instance=action.spec.name, route=route):
            engine.route(route)
        return outcomes.Done()

    def _noted(
        self, action: actions.Proceed | actions.Settle | actions.Forget | Soak | Track
    ) -> outcomes.Outcome:
        """What a person did goes into the log; of all else it has what hosts were asked for."""
        if isinstance(action, actions.Proceed) and action.granted:
            state = "" if action.after is None else action.after.state.value
            detail: dict[str, Json] = {"state": state}
            fields = journal.about(replace(action.spec, host=""), action.reason.text, detail)
            self.journal.record_once(("steered", action.granted), Kind.STEERED, fields)
        return outcomes.Done()

    def _take_away(
        self, action: actions.Unroute | actions.Remove, engine: Engine
    ) -> outcomes.Outcome:
        if isinstance(action, actions.Unroute):
            engine.unroute(action.model)
            return outcomes.Done()
        return self._remove(action, engine)

    def _remove(self, action: actions.Remove, engine: Engine) -> outcomes.Outcome:
        fields = _about_instance(action, engine)
        with self.journal.outcome(Kind.REMOVED, fields, instance=action.instance):
            engine.remove(action.instance)
            self.permits.forget(action.instance)
        return outcomes.Done()

    def _failed(self, action: actions.Quarantine | actions.GiveUp) -> outcomes.Outcome:
        kind = Kind.GAVE_UP if isinstance(action, actions.GiveUp) else Kind.QUARANTINED
        fields = journal.about(action.spec, action.reason.text)
        return outcomes.Done(entry=self.journal.record(kind, fields))

    def _launch(self, spec: InstanceSpec, state: desired.DesiredState, permit: str) -> Launch:
        """All that an instance is handed; its secrets are decrypted here and kept nowhere."""
        handed = self.launches.launch(spec.host, state.hosts[spec.host])
        return replace(
            handed, permit=permit, environment=self.launches.secrets.environment(spec, state)
        )

    def _facts(self, spec: InstanceSpec) -> HostRollout:
        """What is remembered of the deployment of `spec` on its host."""
        return self.judge.rollouts().get(spec.deployment, NO_ROLLOUT).on(spec.host)

    def _announce(self, kind: Kind, spec: InstanceSpec, reason: str) -> None:
        """Log an intent: before anything new it must succeed, before a repair it may wait."""
        last_good = self._facts(spec).last_good
        fields = journal.about(spec, reason)
        if last_good is not None and last_good.spec_hash == spec.spec_hash:
            self.journal.record(kind, fields)
        else:
            self.journal.require(kind, fields)


def _about_instance(action: actions.Restart | actions.Remove, engine: Engine) -> dict[str, Json]:
    """What the log should say of an instance that may be gone once the action is done."""
    fields: dict[str, Json] = {
        "host": action.host,
        "deployment": action.deployment,
        "reason": action.reason.text,
        "detail": {"instance": action.instance},
    }
    for known in engine.observe().instances:
        if known.name == action.instance:
            fields |= {
                "model": known.model,
                "version": known.version,
                "digest": known.digest,
                "commit": known.commit,
            }
    return fields
