"""Whether a version may go onto hosts: verified first, then allowed by the policies, on record.

An allowance is in the log before anybody acts on it, once for each digest, deployment and state
of the policies. A refusal is told when it changes: the check itself is repeated every minute.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from reconciler import client, journal, reading, witness
from reconciler.core import actions, desired, gittrust, holding
from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Why
from reconciler.core.rollout import NO_ROLLOUT, Rollout, Rollouts
from registry import errors
from registry.core import envelope, evidence, policy, trustchain
from registry.core.canonical import Json
from registry.core.checks import Check
from registry.core.entries import Kind
from registry.core.envelope import Refused, Verified, Wanted
from registry.core.policy import Area
from registry.core.trustroot import TrustRoot


@dataclass(frozen=True, slots=True)
class Judge:
    """Asks the registry, believes only what verifies."""

    registry: client.Registry
    journal: journal.Journal
    witness: witness.Witness
    reading: reading.Reading
    trust: Callable[[], TrustRoot]
    rollouts: Callable[[], Rollouts]
    clock: Callable[[], float] = time.time

    def refusals(self, spec: InstanceSpec, state: desired.DesiredState) -> tuple[str, ...]:
        """Why trust or policy forbid `spec`; none once that it is allowed is on record.

        Raises `Unavailable` and the like where the registry does not answer.
        """
        wanted = Wanted(spec.model, spec.version, spec.digest)
        document = self.registry.version(wanted)
        found = self._verified(wanted)
        if isinstance(found, Refused):
            said = (f"verification refused ({found.code}): {found.reason}",)
            self._tell_refusal(spec, said, None)
            return said
        if found.format != spec.format:
            name = f"{spec.model}@{spec.version}"
            said = (f"{name} is {found.format}, asked for is {spec.format}",)
            self._tell_refusal(spec, said, None)
            return said
        known = self.rollouts().get(spec.deployment, NO_ROLLOUT)
        asked = request(
            state.deployments[spec.deployment], known, document, found, signed=state.provenance
        )
        return self._decided(spec, state, asked)

    def tested(self, spec: InstanceSpec) -> tuple[evidence.Verified, ...]:
        """What reconcilers signed about the tests of `spec`, and what counts; raises
        `Unavailable` and the like where the registry does not answer."""
        found = self._verified(Wanted(spec.model, spec.version, spec.digest))
        if isinstance(found, Refused):
            return ()
        listed = {signer.name for signer in self.trust().reconcilers}
        return tuple(one for one in found.evidence if one.signer in listed)

    def promotable(
        self, spec: InstanceSpec, deployment: desired.Deployment, state: desired.DesiredState
    ) -> Verified | Refused:
        """What is shown of `spec`, unless trust, or the policies of `deployment`, refuse it."""
        wanted = Wanted(spec.model, spec.version, spec.digest)
        document = self.registry.version(wanted)
        found = self._verified(wanted)
        if isinstance(found, Refused):
            return found
        if found.format != spec.format:
            said = f"{spec.model}@{spec.version} is {found.format}, asked for is {spec.format}"
            return Refused("invalid_input", said, Check.FORMAT)
        known = self.rollouts().get(spec.deployment, NO_ROLLOUT)
        asked = request(deployment, known, document, found, signed=state.provenance)
        decision = policy.decide(state.policies, asked)
        if isinstance(decision, policy.Denied):
            return Refused("denied", "; ".join(decision.reasons), Check.EVIDENCE)
        return found

    def _verified(self, wanted: Wanted) -> Verified | Refused:
        try:
            trust, now = self.trust(), datetime.fromtimestamp(self.clock(), UTC)
            trustchain.require_current(trust, now)
        except errors.IntegrityError as error:
            return Refused(error.code, error.detail, Check.TRUST_ROOT)
        received = self.registry.envelope(wanted)
        found = envelope.verify(received, trust, wanted, now=now.timestamp())
        if isinstance(found, Refused):
            return found
        self.witness.observe(found.checkpoint)
        try:
            self.reading.require_whole(found)
        except errors.Withheld as error:
            return Refused(error.code, error.detail, Check.EVIDENCE)
        return found

    def tell_held(self, waits: Iterable[actions.Wait], state: desired.DesiredState) -> None:
        """Write down which rollouts the policies of planning hold back, each reason once."""
        for wait in waits:
            if wait.reason.code is not Why.HELD_BY_POLICY:
                continue
            deployment = state.deployments[wait.deployment]
            spec = deployment.spec_on("", state.commit)
            detail: dict[str, Json] = {
                "area": Area.PLAN.value,
                "policies": state.policies.digest,
                "result": "denied",
                "reasons": [wait.reason.text],
            }
            key = ("plan", spec.deployment, spec.digest, state.policies.digest, wait.reason.text)
            fields = journal.about(spec, wait.reason.text, detail)
            self.journal.record_once(key, Kind.DECIDED, fields)

    def tell_begun(self, spec: InstanceSpec, state: desired.DesiredState) -> None:
        """Write down that planning let a rollout begin, and what its auditing policies say."""
        if not any(rule.area is Area.PLAN for rule in state.policies.rules):
            return
        known = self.rollouts().get(spec.deployment, NO_ROLLOUT)
        asked = holding.request(state.deployments[spec.deployment], known, time.time())
        decision = policy.decide(state.policies, asked)
        if isinstance(decision, policy.Allowed):
            detail = policy.record(decision, state.policies, asked)
            key = ("plan", spec.deployment, spec.digest, state.policies.digest)
            fields = {**journal.about(spec, "allowed", detail), "host": ""}
            self.journal.record_once(key, Kind.DECIDED, fields)

    def _decided(
        self, spec: InstanceSpec, state: desired.DesiredState, asked: policy.Request
    ) -> tuple[str, ...]:
        decision = policy.decide(state.policies, asked)
        detail = policy.record(decision, state.policies, asked)
        match decision:
            case policy.Allowed():
                fields = {**journal.about(spec, "allowed", detail), "host": ""}
                key = ("deploy", spec.deployment, spec.digest, state.policies.digest)
                self.journal.require_once(key, Kind.DECIDED, fields)
                return ()
            case policy.Denied() as denied:
                self._tell_refusal(spec, denied.reasons, detail)
                return denied.reasons

    def _tell_refusal(
        self, spec: InstanceSpec, reasons: tuple[str, ...], decision: dict[str, Json] | None
    ) -> None:
        rollout = self.rollouts().get(spec.deployment)
        before = rollout.on(spec.host).preflight if rollout is not None else None
        if before is not None and (before.spec_hash, before.reasons) == (spec.spec_hash, reasons):
            return
        said = "; ".join(reasons)
        if decision is not None:
            self.journal.record(Kind.DECIDED, journal.about(spec, said, decision))
        self.journal.record(Kind.REFUSED, journal.about(spec, said, {"stage": "preflight"}))


def request(
    deployment: desired.Deployment,
    known: Rollout,
    document: dict[str, Json],
    found: Verified,
    *,
    signed: gittrust.Provenance,
) -> policy.Request:
    """What policies of the area deploy see: `document` is the registry's word, `found` is shown."""
    manifest = deployment.manifest
    return policy.request(
        Area.DEPLOY,
        {
            "deployment": manifest.model_dump(mode="json", by_alias=True),
            "version": document,
            "verification": {**policy.verification(found), "commit": asdict(signed)},
            "environment": manifest.metadata.environment,
            "approvers": [] if deployment.roles is None else [*deployment.roles.approve],
            "quarantined": [one.digest for one in known.in_force],
            "now": datetime.now(UTC).isoformat(),
        },
    )
