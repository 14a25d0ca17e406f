"""What planning costs by itself, and how it grows: no host, no network, only the pure planner."""

import functools
import time
from collections.abc import Iterator
from pathlib import Path

from bench import repeating, wishes
from bench.figures import Row
from reconciler.core import desired, plan
from reconciler.core.observed import Health, HostState, Instance, Phase, Route
from reconciler.core.rollout import HostRollout, Rollout, Rollouts

_AREA = "rollouts"
_HOST = "edge-1"
_REPETITIONS = 7


def rows() -> Iterator[Row]:
    """A converged host with 100 and with 1000 deployments: ten times as many, ten times as long."""
    for count in (100, 1000):
        state, seen, known = _converged(count)
        planned = functools.partial(plan.plan, state, seen, known, time.time())
        if planned().actions:
            raise ValueError("the fleet that was made here is not converged")
        taken = [repeating.seconds(planned) for _ in range(_REPETITIONS)]
        value = sorted(taken)[_REPETITIONS // 2] * 1e3
        yield Row(_AREA, f"plan of {count} converged deployments, p50", value, "ms", "")


def _converged(count: int) -> tuple[desired.DesiredState, dict[str, HostState], Rollouts]:
    files = wishes.carried() | wishes.host(_HOST, engine=Path("/run/docker.sock"), port=8501)
    for number in range(count):
        files |= wishes.deployment(
            f"model-{number}", version=1, digest="sha256:" + "1" * 64, form="onnx", host=_HOST
        )
    state = desired.load(files, commit="0" * 40)
    specs = {key: wanted.spec_on(_HOST, state.commit) for key, wanted in state.deployments.items()}
    seen = HostState(
        host=_HOST,
        instances=tuple(
            Instance.of(spec, Phase.RUNNING, Health.HEALTHY) for spec in specs.values()
        ),
        routes=tuple(Route(spec.model, spec.deployment, spec.name) for spec in specs.values()),
        ingress_ready=True,
    )
    known = {key: Rollout({_HOST: HostRollout(last_good=spec)}) for key, spec in specs.items()}
    return state, {_HOST: seen}, known
