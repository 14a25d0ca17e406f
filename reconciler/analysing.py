"""Measures what an analysis has due, and puts on record what it comes to.

A measurement that speaks against the candidate is in the registry's log with its numbers, and so
is the end of an analysis, good or bad; those in between are only remembered.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from reconciler import journal, measuring
from reconciler.config import Sources
from reconciler.core import actions, analysis, analysis_memory, outcomes
from reconciler.core.analysis import AnalysisRun, MetricRun
from reconciler.core.kinds.online import Labels
from reconciler.core.measurements import Measurement, Said
from reconciler.core.observed import Instance
from reconciler.engines.protocol import Engine
from reconciler.measuring import posting, watched
from registry import errors
from registry.core.canonical import Json
from registry.core.entries import Kind

_TOGETHER = 8
_TELLING = frozenset({Said.FAILURE, Said.INCONCLUSIVE})


@dataclass(frozen=True, slots=True)
class Analyst:
    """`sources` are whom it may ask; `clock` gives seconds since the epoch."""

    journal: journal.Journal
    sources: Sources
    clock: Callable[[], float] = time.time
    doors: posting.Doors = field(default_factory=posting.Doors)

    def measure(self, action: actions.Measure, engines: Mapping[str, Engine]) -> outcomes.Measured:
        """Every metric that is due; raises `Unavailable` where an engine cannot say who serves."""
        sites = tuple(_site(pair, engines[pair.candidate.host]) for pair in action.pairs)
        args = {**action.run.args, **_given(action, sites)}
        self._open_doors(action, sites)
        due = [one for one in map(action.run.metric, action.metrics) if one is not None]

        def taken(one: MetricRun) -> tuple[str, Measurement]:
            model, memo = action.spec.model, one.memo
            context = measuring.Context(model, sites, args, self.sources, memo=memo)
            return one.metric.name, measuring.measure(one.metric, context)

        with ThreadPoolExecutor(_TOGETHER) as asking:
            found = list(asking.map(taken, due))
        self._tell(action, found)
        return outcomes.Measured(tuple(found))

    def _open_doors(self, action: actions.Measure, sites: tuple[measuring.Site, ...]) -> None:
        """For labels, where a metric of the run is about them."""
        asked = [one.metric for one in action.run.metrics]
        waits = [watched.seconds(one) for one in asked if isinstance(one.provider.one, Labels)]
        if waits:
            variants = [variant for site in sites for _, variant in site.variants()]
            self.doors.remember(action.spec.model, variants, max(waits))

    def _tell(self, action: actions.Measure, found: list[tuple[str, Measurement]]) -> None:
        run = analysis.conclude(action.run, action.run, found, self.clock())
        judged = analysis.phase(run)
        if judged.phase in analysis.ENDED or _speaks_against(run, [name for name, _ in found]):
            detail: dict[str, Json] = {
                **analysis_memory.evidence(run),
                "hosts": [pair.candidate.host for pair in action.pairs],
                "against": [pair.stable for pair in action.pairs],
            }
            self.journal.record(Kind.ANALYSED, journal.about(action.spec, judged.reason, detail))


def _speaks_against(run: AnalysisRun, names: list[str]) -> bool:
    return any(
        one.taken and one.taken[-1].said in _TELLING
        for one in run.metrics
        if one.metric.name in names
    )


def _site(pair: actions.Pair, engine: Engine) -> measuring.Site:
    spec = pair.candidate
    candidate = measuring.Variant(spec.name, spec.version, engine.preview(spec.name))
    return measuring.Site(spec.host, candidate, _stable(pair, engine))


def _stable(pair: actions.Pair, engine: Engine) -> measuring.Variant | None:
    if pair.stable is None:
        return None
    known = [one for one in engine.observe().instances if one.name == pair.stable]
    if not known:
        raise errors.Unavailable(f"{pair.stable}, which serves, is not there to compare with")
    return _variant(known[0], engine)


def _variant(one: Instance, engine: Engine) -> measuring.Variant:
    return measuring.Variant(one.name, one.version, engine.preview(one.name))


def _given(action: actions.Measure, sites: tuple[measuring.Site, ...]) -> dict[str, str]:
    """What every analysis knows; `kinds.analysis.GIVEN_ARGS` lists it."""
    environment, _, deployment = action.spec.deployment.partition("/")
    stable = next((str(site.stable.version) for site in sites if site.stable), "")
    return {
        "model": action.spec.model,
        "environment": environment,
        "deployment": deployment,
        "candidate-version": str(action.spec.version),
        "stable-version": stable,
    }
