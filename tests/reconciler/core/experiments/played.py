"""Experiments on a fleet on paper: the files, and users who do what they are told."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reconciler.core import desired, outcomes
from reconciler.core.experiments.acts import Look
from reconciler.core.experiments.run import Run
from reconciler.core.experiments.totals import Increment, Total
from tests.reconciler.core.asking import BOTH, KEY
from tests.reconciler.core.paper import Paper
from tests.reconciler.core.wishes import deployment_file, digest_of, wish

PATH = "models.d/experiments/bigger.yaml"


def experiment_file(  # noqa: PLR0913  a file has many fields
    *,
    name: str = "bigger",
    control: int = 1,
    treatment: int = 2,
    weight: int = 50,
    guardrails: str = "",
    samples: int = 20_000,
    time: str = "240h",
    promote: str = "never",
    better: str = "higher",
) -> str:
    return f"""\
apiVersion: plimsoll.dev/v1
kind: Experiment
metadata: {{name: {name}}}
spec:
  deployment: production/digits
  variants:
    - {{name: old, version: {control}, digest: "{digest_of(control)}", weight: {100 - weight}}}
    - {{name: new, version: {treatment}, digest: "{digest_of(treatment)}", weight: {weight}}}
  unit: {{cookie: experiment}}
  metric:
    name: conversion
    better: {better}
    proportion: {{}}
    source: {{http: {{url: "https://shop.example/totals/{{{{args.experiment}}}}"}}}}
    smallestEffect: 0.05
  guardrails: [{guardrails}]
  alpha: 0.05
  interval: 10s
  horizon: {{samples: {samples}, time: {time}}}
  promote: {promote}
"""


GUARD = (
    "{name: errors, better: lower, proportion: {}, worseBy: 0.02, "
    "source: {runtime: {measure: errorRate, designEffect: 1}}}"
)


def asked(
    experiment: str | None, *, version: int = 1, commit: str = "c2", suspend: bool = False
) -> desired.DesiredState:
    """Git asks for `version`, and for an experiment."""
    files = {} if experiment is None else {PATH: experiment}
    text = deployment_file("digits", version, BOTH, suspend=suspend)
    return wish({"digits": text}, hosts=BOTH, commit=commit, policies=files)


@dataclass
class Users:
    """So many between two looks; what they do, by metric and variant."""

    rates: dict[str, tuple[float, float]]
    each_look: int = 400
    part: float = 0.5
    looks: int = 0

    def __call__(self, action: Look) -> outcomes.Outcome:
        """What came since the last look: the same for the same look of the same run."""
        rng = np.random.default_rng([action.run.looks, 3])
        ours = int(rng.binomial(self.each_look, self.part))
        self.looks += 1
        return outcomes.Looked(
            tuple((name, self._came(rng, pair, ours)) for name, pair in sorted(self.rates.items()))
        )

    def _came(self, rng: np.random.Generator, rates: tuple[float, float], ours: int) -> Increment:
        def total(count: int, rate: float) -> Total:
            hits = float(rng.binomial(count, rate))
            return Total(count, hits, hits)

        return Increment(total(self.each_look - ours, rates[0]), total(ours, rates[1]))


def run_of(paper: Paper) -> Run:
    found = paper.rollouts[KEY].experiment
    assert found is not None
    return found


def until(paper: Paper, is_so: Callable[[Paper], bool], ticks: int = 200) -> None:
    """Tick until `is_so`."""
    for _ in range(ticks):
        if is_so(paper):
            return
        paper.tick()
    raise AssertionError("it never is\n" + paper.plan().render())


def is_shared(paper: Paper) -> bool:
    """Whether users are shared on all hosts."""
    return all(host.routes["digits"].share is not None for host in paper.hosts.values())


def is_begun(paper: Paper) -> bool:
    """Whether it is remembered."""
    return paper.rollouts[KEY].experiment is not None


def is_decided(paper: Paper) -> bool:
    run = paper.rollouts[KEY].experiment
    return run is not None and run.decision is not None


def is_over(paper: Paper) -> bool:
    """Whether it is decided, and nothing of the treatment is left."""
    return is_decided(paper) and all(
        len(host.instances) == 1 and host.routes["digits"].share is None
        for host in paper.hosts.values()
    )
