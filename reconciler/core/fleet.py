"""All that `plan` and `status` start from, indexed once: desired, observed, remembered, time."""

from collections import defaultdict
from collections.abc import Mapping
from typing import TypeAlias

from reconciler.core.actions import Wait
from reconciler.core.desired import Deployment, DesiredState
from reconciler.core.observed import HostState, Unreachable
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import NO_ROLLOUT, Rollout, Rollouts
from reconciler.core.seat import Remains, Seat, claims, same, sort_by_deployment
from reconciler.core.stage import View

Observed: TypeAlias = Mapping[str, HostState | Unreachable]


class Fleet:
    """The four inputs, indexed once."""

    def __init__(
        self, desired: DesiredState, observed: Observed, rollouts: Rollouts, now: float
    ) -> None:
        self.desired = desired
        self.rollouts = rollouts
        self.now = now
        self.policies = desired.policies.digest
        self.claims = claims(desired.deployments.values())
        self.unreachable = {
            host: state.reason for host, state in observed.items() if isinstance(state, Unreachable)
        }
        self.states = {
            host: state
            for host, state in observed.items()
            if host in desired.hosts and isinstance(state, HostState)
        }
        self.remains = {host: sort_by_deployment(state) for host, state in self.states.items()}

    def rollout(self, key: str) -> Rollout:
        """What is remembered of the deployment `key`."""
        return self.rollouts.get(key, NO_ROLLOUT)

    def seat(self, key: str, host: str) -> Seat:
        """The deployment `key` on the reachable `host`."""
        return Seat(
            host=host,
            deployment=key,
            facts=self.rollout(key).on(host),
            remains=self.remains[host].get(key, Remains()),
            ingress_ready=self.states[host].ingress_ready,
            ingress_drift=self.states[host].ingress_drift,
            claims=self.claims.get(host, {}),
            now=self.now,
        )

    def absence(self, key: str, host: str) -> Wait:
        """Why `host` cannot be worked on."""
        if host not in self.desired.hosts:
            text = f"models.d/hosts/{host}.yaml does not say where the host is"
            return Wait(key, host, Reason(Why.HOST_NOT_DECLARED, text))
        text = self.unreachable.get(host, "the host was not looked at")
        return Wait(key, host, Reason(Why.UNREACHABLE, text))

    def views(self, deployment: Deployment) -> list[View]:
        """The deployment on each of its hosts that can be reached."""
        return [
            View(
                seat=self.seat(deployment.key, host),
                deployment=deployment,
                wanted=deployment.spec_on(host, self.desired.commit),
                policies=self.policies,
            )
            for host in deployment.hosts
            if host in self.states
        ]

    def has_settled(self, deployment: Deployment) -> bool:
        """Whether what Git asks for already is the last known good somewhere, reachable or not."""
        known = self.rollout(deployment.key)
        return any(
            same(known.on(host).last_good, deployment.spec_on(host, self.desired.commit))
            for host in deployment.hosts
        )

    def leftovers(self) -> dict[str, set[str]]:
        """Where deployments are, or are remembered, but not asked for; held ones excepted."""
        found: dict[str, set[str]] = defaultdict(set)
        for host, remains in self.remains.items():
            for key in remains:
                found[key].add(host)
        for key, known in self.rollouts.items():
            found[key].update(known.hosts)
        for key, deployment in self.desired.deployments.items():
            found[key].difference_update(deployment.hosts)
        return {
            key: hosts for key, hosts in found.items() if hosts and key not in self.desired.held
        }
