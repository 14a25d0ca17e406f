"""A candidate with all that its trials may use: what serves, other deployments, its host."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from reconciler import probe
from reconciler.core.actions import Accept
from reconciler.core.observed import Instance, Phase
from reconciler.engines.protocol import Endpoint, Engine, Trials
from registry import errors
from registry.core.canonical import Json

BATCH = 64
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """A version to be asked, through `preview`; `digest` is that of its files."""

    model: str
    version: int
    preview: Endpoint
    digest: str

    def speaking(self) -> probe.Probe:
        """A connection to it."""
        return probe.Probe(self.preview, timeout_s=_TIMEOUT_S)

    def answers(self, instances: list[Json]) -> list[Json]:
        """Its predictions, one for each of `instances`; raises `errors.Unavailable`."""
        with self.speaking() as asked:
            return [
                prediction
                for start in range(0, len(instances), BATCH)
                for prediction in asked.predict(
                    self.model, self.version, instances[start : start + BATCH]
                )
            ]


@dataclass(frozen=True, slots=True)
class Subject:
    """`name` is the candidate's instance. `other` finds what a deployment of the environment runs,
    `memory` tells the bytes that the candidate holds, `trials` where tests run beside it."""

    name: str
    digest: str
    candidate: Target
    serving: Target | None
    other: Callable[[str], Target]
    memory: Callable[[], int]
    trials: Callable[[], Trials]

    def trial_name(self, template: str) -> str:
        """Of the container that tests it; the same after a crash."""
        about = f"{self.name}\n{template}".encode()
        return f"plimsoll-trial-{hashlib.sha256(about).hexdigest()[:20]}"


def of(action: Accept, engines: Mapping[str, Engine]) -> Subject:
    """The candidate of `action`, on its host."""
    spec, engine = action.spec, engines[action.host]
    environment, _, _ = spec.deployment.partition("/")
    return Subject(
        spec.name,
        spec.digest,
        Target(spec.model, spec.version, engine.preview(spec.name), spec.digest),
        _serving(action, engine),
        lambda name: _other(f"{environment}/{name}", action.host, engines),
        lambda: engine.memory(spec.name),
        engine.trials,
    )


def _serving(action: Accept, engine: Engine) -> Target | None:
    known = [one for one in engine.observe().instances if one.name == action.against]
    return _target(known[0], engine) if known else None


def _other(key: str, host: str, engines: Mapping[str, Engine]) -> Target:
    """Of several hosts that run it, the candidate's own."""
    for name in sorted(engines, key=lambda name: (name != host, name)):
        for instance in _instances(engines[name]):
            if instance.deployment == key and instance.phase is Phase.RUNNING:
                return _target(instance, engines[name])
    raise errors.Unavailable(
        f"{key} runs on no host that can be asked, so that answers cannot be compared with its",
        fix="see `plimsoll status`, and name it in dependsOn, so that it comes first",
    )


def _instances(engine: Engine) -> Iterator[Instance]:
    try:
        yield from engine.observe().instances
    except errors.EngineUnreachable:
        return  # another host may run it too


def _target(instance: Instance, engine: Engine) -> Target:
    preview = engine.preview(instance.name)
    return Target(instance.model, instance.version, preview, instance.digest)
