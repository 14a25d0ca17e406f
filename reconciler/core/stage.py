"""How far a wanted version has come on one host, and whether it has failed there."""

from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.desired import Deployment
from reconciler.core.observed import Health, InstanceSpec, Phase
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Candidate, GaveUp, Verdict
from reconciler.core.seat import Seat, is_healthy, same

# A rollout that had to wait for longer, for a window or another host, is verified anew.
_PREFLIGHT_LASTS_S = 600.0


class Stage(StrEnum):
    """In the order of a rollout; `BAKED` has served for the whole scale-down delay."""

    UNVERIFIED = "unverified"
    REFUSED = "refused"
    BLOCKED = "blocked"
    VERIFIED = "verified"
    STARTED = "started"
    READY = "ready"
    ACCEPTED = "accepted"
    ROUTED = "routed"
    BAKED = "baked"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class View:
    """A seat and what is wanted there. `policies` is the digest of the policies in force."""

    seat: Seat
    deployment: Deployment
    wanted: InstanceSpec
    policies: str

    @property
    def host(self) -> str:
        """The host's name."""
        return self.seat.host

    @property
    def candidate(self) -> Candidate | None:
        """What is remembered of `wanted` on its way to serving."""
        known = self.seat.facts.candidate
        return known if known is not None and same(known.spec, self.wanted) else None

    @property
    def is_settled(self) -> bool:
        """Whether `wanted` already is the last known good here."""
        return same(self.seat.facts.last_good, self.wanted)

    @property
    def gave_up(self) -> GaveUp | None:
        """What is remembered of how `wanted` failed on this host alone."""
        known = self.seat.facts.gave_up
        is_about_it = known is not None and known.revision == self.deployment.revision
        return known if is_about_it and not self.is_settled else None

    @property
    def is_verified(self) -> bool:
        """Whether `wanted` passed preflight here, under the policies in force."""
        return self._preflight_stage() is None

    def stage(self) -> Stage:
        """How far `wanted` has come."""
        if self.is_settled:
            return Stage.SETTLED
        checked = self._preflight_stage()
        if checked is not None:
            return checked
        instance, candidate = self.seat.instance_of(self.wanted), self.candidate
        if self.seat.is_routed(self.wanted):
            return self._routed_stage()
        is_known = candidate is not None and candidate.revision == self.deployment.revision
        if instance is None or instance.phase is Phase.CREATED or not is_known:
            return Stage.VERIFIED if is_known or self._is_fresh else Stage.UNVERIFIED
        if not is_healthy(instance):
            return Stage.STARTED
        return Stage.ACCEPTED if self.is_accepted else Stage.READY

    @property
    def is_accepted(self) -> bool:
        """Whether the candidate passed all tests that it must pass."""
        if not self.deployment.templates:
            return True
        candidate = self.candidate
        return (
            candidate is not None
            and candidate.acceptance is not None
            and candidate.acceptance.passed
        )

    @property
    def scale_down_at(self) -> float:
        """When the predecessor may go; now, where nothing is remembered of the switch."""
        candidate = self.candidate
        if candidate is None or candidate.routed_at is None:
            return self.seat.now
        return candidate.routed_at + self.deployment.manifest.spec.strategy.scale_down_delay_seconds

    @property
    def stable(self) -> str | None:
        """The instance that the model's clients are sent to here, where it is not `wanted`."""
        route = self.seat.remains.routes.get(self.wanted.model)
        if route is None or route.instance == self.wanted.name:
            return None
        return route.instance if route.instance in self.seat.remains.instances else None

    def failure(self) -> Reason | None:
        """Why the rollout of `wanted` has failed here, if it has."""
        candidate = self.candidate
        if self.is_settled or candidate is None:
            return None
        if candidate.routed_at is not None:
            return self._failure_after_routing()
        if candidate.revision != self.deployment.revision:
            return None
        share = self.seat.share_of(self.wanted)
        if share is not None and share.instance == self.wanted.name:
            return self._failure_after_routing()
        return self._failure_before_routing(candidate)

    def _preflight_stage(self) -> Stage | None:
        known = self.seat.facts.preflight
        if known is None or known.spec_hash != self.wanted.spec_hash:
            return Stage.UNVERIFIED
        if known.policies != self.policies:
            return Stage.UNVERIFIED
        match known.verdict:
            case Verdict.PASSED:
                return None
            case Verdict.REFUSED:
                return Stage.REFUSED
            case Verdict.BLOCKED:
                return Stage.BLOCKED

    @property
    def _is_fresh(self) -> bool:
        """Whether the preflight may still be acted on: what it saw may be withdrawn meanwhile."""
        known = self.seat.facts.preflight
        return known is not None and self.seat.now - known.at <= _PREFLIGHT_LASTS_S

    def _routed_stage(self) -> Stage:
        is_well = is_healthy(self.seat.instance_of(self.wanted))
        return Stage.BAKED if is_well and self.seat.now >= self.scale_down_at else Stage.ROUTED

    def _failure_before_routing(self, candidate: Candidate) -> Reason | None:
        version = f"version {self.wanted.version}"
        if candidate.acceptance is not None:
            if candidate.acceptance.passed:
                return None
            said = "; ".join(candidate.acceptance.reasons)
            return Reason(Why.ACCEPTANCE_FAILED, f"{version} failed acceptance: {said}")
        instance = self.seat.instance_of(self.wanted)
        if instance is not None and instance.health is Health.REFUSED:
            return Reason(Why.REFUSED_BY_RUNTIME, f"{version} was refused: {instance.detail}")
        if instance is not None and self.seat.is_crash_looping(instance):
            code = instance.exit_code
            return Reason(Why.CRASH_LOOP, f"{version} exits again and again, with code {code}")
        deadline = self.deployment.manifest.spec.progress_deadline_seconds
        if candidate.waited <= deadline or (self.is_accepted and is_healthy(instance)):
            return None
        said = f": {instance.detail}" if instance is not None and instance.detail else ""
        text = f"{version} was not accepted within {deadline} s{said}"
        return Reason(Why.DEADLINE_EXCEEDED, text)

    def _failure_after_routing(self) -> Reason | None:
        """Only with somewhere to go back to: otherwise healing in place is all there is.

        Who has the rest of the traffic counts, also where nothing was found good there yet.
        """
        is_alone = self.seat.facts.last_good is None and self.stable is None
        if not self.deployment.manifest.spec.rollback.auto or is_alone:
            return None
        instance = self.seat.instance_of(self.wanted)
        if instance is None:
            how = "vanished"
        elif instance.phase is Phase.EXITED:
            how = instance.ending
        elif instance.health in (Health.UNHEALTHY, Health.REFUSED):
            how = f"became unhealthy {instance.detail}".rstrip()
        else:
            return None
        text = f"version {self.wanted.version} {how} after it got traffic"
        return Reason(Why.UNHEALTHY_AFTER_ROUTING, text)
