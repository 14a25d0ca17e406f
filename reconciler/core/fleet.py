"""All that `plan` and `status` start from: desired, observed, remembered, time; and who asked what.

The inputs are indexed once, and `move` carries the index on to the next ones in time that follows
what has changed. They can be had only by asking, and what is asked for is written down (`Asked`):
what was answered to one who asked for nothing that has changed since still holds.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from reconciler.core import in_common, kinds
from reconciler.core.actions import Wait
from reconciler.core.desired import Deployment, DesiredState
from reconciler.core.following.target import Resolved
from reconciler.core.inputs import Asked, Changed, Inputs, differing
from reconciler.core.observed import HostState, Unreachable
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import NO_ROLLOUT, Rollout, Rollouts
from reconciler.core.seat import Remains, Seat, claims, same, sort_by_deployment
from reconciler.core.stage import View
from registry.core.documents import Problem

Observed: TypeAlias = Mapping[str, HostState | Unreachable]

_NO_REMAINS = Remains()


class Fleet:
    """The four inputs, by deployment and by host."""

    def __init__(
        self, desired: DesiredState, observed: Observed, rollouts: Rollouts, now: float
    ) -> None:
        self._desired = replace(
            desired,
            deployments={},
            hosts={},
            held={},
            experiments={},
            promotions={},
            followed={},
            elsewhere=frozenset(),
        )
        self._observed: Observed = {}
        self._rollouts: Rollouts = {}
        self._claims: dict[str, dict[str, str]] = {}
        self._states: dict[str, HostState] = {}
        self._remains: dict[str, dict[str, Remains]] = {}
        self._places: dict[str, set[str]] = {}
        self.move(desired, observed, rollouts, now)

    def move(
        self, desired: DesiredState, observed: Observed, rollouts: Rollouts, now: float
    ) -> Changed:
        """Take these for the four inputs from now on; returns what differs, the time apart."""
        before, self._desired = self._desired, desired
        common, self.common = in_common.of(before), in_common.of(desired)
        inputs = Inputs(keys=set(before.elsewhere ^ desired.elsewhere))
        inputs.keys |= differing(before.held, desired.held)
        inputs.keys |= differing(before.experiments, desired.experiments)
        inputs.keys |= differing(before.promotions, desired.promotions)
        inputs.keys |= differing(before.followed, desired.followed)
        inputs.keys |= differing(self._rollouts, rollouts)
        inputs.hosts |= differing(before.hosts, desired.hosts)
        looked_at = differing(self._observed, observed) | inputs.hosts
        self._observed, self._rollouts = observed, rollouts
        self._claim(before.deployments, inputs)
        for host in looked_at:
            self._look(host, inputs)
        self._now = now
        self.asking()
        return Changed(inputs, before.commit != desired.commit, everything=common != self.common)

    def asking(self) -> Asked:
        """What is asked from now on, until this is called again."""
        asked, now = Asked(), self._now

        def clock() -> float:
            asked.time = True
            return now

        self._asked, self._clock = asked, clock
        return asked

    def also(self, asked: Asked) -> None:
        """Whoever asks now builds upon what was answered to one who asked this."""
        self._asked.inputs.add(asked.inputs)
        self._asked.time |= asked.time

    @property
    def commit(self) -> str:
        """The commit in force. Nothing is decided by it: new instances carry it along."""
        return self._desired.commit

    @property
    def authors(self) -> tuple[str, ...]:
        """Who made and who signed the commit in force, as `commit` only carried along."""
        known = self._desired.provenance
        return tuple(filter(None, dict.fromkeys((known.author, known.signer))))

    @property
    def now(self) -> float:
        """Seconds since the epoch. What was made of it may be another one in the next round."""
        return self._clock()

    def keys(self) -> set[str]:
        """Every deployment that Git speaks of, that is seen somewhere, or that is remembered."""
        desired = self._desired
        return {*desired.deployments, *desired.held, *self._places, *self._rollouts}

    def knows(self, key: str) -> bool:
        """Whether `key` is one of `keys`."""
        desired = self._desired
        return any(key in them for them in (desired.deployments, desired.held, self._places)) or (
            key in self._rollouts
        )

    def deployment(self, key: str) -> Deployment | None:
        """What Git asks for under `key`."""
        self._asked.inputs.keys.add(key)
        return self._desired.deployments.get(key)

    def held(self, key: str) -> tuple[Problem, ...]:
        """What is wrong with the file of `key`."""
        self._asked.inputs.keys.add(key)
        return self._desired.held.get(key, ())

    def experiment(self, key: str) -> kinds.Experiment | None:
        """The experiment that is declared for `key`."""
        self._asked.inputs.keys.add(key)
        return self._desired.experiments.get(key)

    def promotion(self, key: str) -> kinds.Promotion | None:
        """The promotion that leads to `key`."""
        self._asked.inputs.keys.add(key)
        return self._desired.promotions.get(key)

    def followed(self, key: str) -> Resolved | None:
        """What the registry says of what `key` follows; None where it was not asked."""
        self._asked.inputs.keys.add(key)
        return self._desired.followed.get(key)

    def is_broken_experiment(self, name: str) -> bool:
        """Whether the file of the experiment `name` is wrong. Whoever asks is asked again in the
        next round, as with the time."""
        self._asked.time = True
        return name in self._desired.broken_experiments

    def is_elsewhere(self, key: str) -> bool:
        """Whether another reconciler looks after `key`."""
        self._asked.inputs.keys.add(key)
        return key in self._desired.elsewhere

    def sync_waves(self, group: str) -> Sequence[tuple[int, Sequence[str]]]:
        """The deployments of an `ordering.group` by their waves. Whoever asks for so many
        deployments is asked again in the next round, as with the time."""
        self._asked.time = True
        return self._desired.sync_waves.get(group, ())

    def rollout(self, key: str) -> Rollout:
        """What is remembered of the deployment `key`."""
        self._asked.inputs.keys.add(key)
        return self._rollouts.get(key, NO_ROLLOUT)

    def reaches(self, host: str) -> bool:
        """Whether `host` is declared and answers."""
        self._asked.inputs.hosts.add(host)
        return host in self._states

    def is_drained(self, host: str) -> bool:
        """Whether nothing new may begin on `host`."""
        self._asked.inputs.hosts.add(host)
        kind = self._desired.hosts.get(host)
        return kind is not None and kind.spec.drain

    def remains(self, key: str, host: str) -> Remains:
        """What there is of `key` on the reachable `host`."""
        self._asked.inputs.hosts.add(host)
        return self._remains[host].get(key, _NO_REMAINS)

    def has_sound_ingress(self, host: str) -> bool:
        """Whether the ingress of the reachable `host` runs and is as we left it."""
        self._asked.inputs.hosts.add(host)
        state = self._states[host]
        return state.ingress_ready and not state.ingress_drift

    def seat(self, key: str, host: str) -> Seat:
        """The deployment `key` on the reachable `host`."""
        self._asked.inputs.hosts.add(host)
        state = self._states[host]
        return Seat(
            host=host,
            deployment=key,
            facts=self.rollout(key).on(host),
            remains=self._remains[host].get(key, _NO_REMAINS),
            ingress_ready=state.ingress_ready,
            ingress_drift=state.ingress_drift,
            claimant=functools.partial(self.claimant, host),
            clock=self._clock,
        )

    def claimant(self, host: str, model: str) -> str | None:
        """The deployment that is asked to serve `model` on `host`."""
        self._asked.inputs.models.add((host, model))
        return self._claims.get(host, {}).get(model)

    def absence(self, key: str, host: str) -> Wait:
        """Why `host` cannot be worked on."""
        self._asked.inputs.hosts.add(host)
        if host not in self._desired.hosts:
            text = f"models.d/hosts/{host}.yaml does not say where the host is"
            return Wait(key, host, Reason(Why.HOST_NOT_DECLARED, text))
        state = self._observed.get(host)
        text = state.reason if isinstance(state, Unreachable) else "the host was not looked at"
        return Wait(key, host, Reason(Why.UNREACHABLE, text))

    def views(self, deployment: Deployment) -> list[View]:
        """The deployment on each of its hosts that can be reached."""
        return [
            View(
                seat=self.seat(deployment.key, host),
                deployment=deployment,
                wanted=deployment.spec_on(host, self.commit),
                policies=self.common.policies.digest,
            )
            for host in deployment.hosts
            if self.reaches(host)
        ]

    def has_settled(self, deployment: Deployment) -> bool:
        """Whether what Git asks for already is the last known good somewhere, reachable or not."""
        known = self.rollout(deployment.key)
        return any(
            same(known.on(host).last_good, deployment.spec_on(host, self.commit))
            for host in deployment.hosts
        )

    def places(self, key: str) -> set[str]:
        """The hosts where `key` is seen or remembered."""
        return {*self._places.get(key, ()), *self.rollout(key).hosts}

    def leftovers(self, key: str) -> set[str]:
        """Where `key` is, or is remembered, but not asked for; none while its file is wrong."""
        if self.held(key):
            return set()
        deployment = self.deployment(key)
        return self.places(key).difference(() if deployment is None else deployment.hosts)

    def _claim(self, before: Mapping[str, Deployment], inputs: Inputs) -> None:
        """Who is asked to serve which model where."""
        after = self._desired.deployments
        keys = differing(before, after)
        inputs.keys |= keys
        olds = claims(before[key] for key in keys if key in before)
        news = claims(after[key] for key in keys if key in after)
        for host in {*olds, *news}:
            known = self._claims.get(host, {})
            kept = {model: key for model, key in known.items() if key not in keys}
            self._claims[host] = kept | news.get(host, {})
            inputs.models |= {(host, model) for model in differing(known, self._claims[host])}

    def _look(self, host: str, inputs: Inputs) -> None:
        before, state = self._states.pop(host, None), self._observed.get(host)
        old, new = self._remains.pop(host, {}), dict[str, Remains]()
        if isinstance(state, HostState) and host in self._desired.hosts:
            self._states[host] = state
            self._remains[host] = new = sort_by_deployment(state)
        if before is None or not _is_alike(before, self._states.get(host)):
            inputs.hosts.add(host)
        for key in differing(old, new):
            inputs.keys.add(key)
            places = self._places.setdefault(key, set())
            if key in new:
                places.add(host)
            else:
                places.discard(host)
            if not places:
                del self._places[key]


def _is_alike(before: HostState, after: HostState | None) -> bool:
    """Whether all that the deployments on a host have in common there is as it was."""
    return after is not None and (before.ingress_ready, before.ingress_drift) == (
        after.ingress_ready,
        after.ingress_drift,
    )
