"""Performs what a plan asks about an experiment: looks at both variants, and puts on record.

That it begins and what it came to, with its numbers, is told once, whatever is killed in between,
and as soon as the registry answers; no user is shared before it has (`effects`).
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from reconciler import journal, measuring
from reconciler.config import Sources
from reconciler.core import outcomes
from reconciler.core.experiments import report
from reconciler.core.experiments.acts import Begin, Decide, Look, OfExperiment, Shared
from reconciler.core.experiments.totals import Increment
from reconciler.core.kinds.experiment import Observed
from reconciler.core.measurements import Trouble
from reconciler.engines.protocol import Engine
from reconciler.measuring import posting, totals, watched
from registry import errors
from registry.core.entries import Kind

_TOGETHER = 4


@dataclass(frozen=True, slots=True)
class Observer:
    """`sources` are whom it may ask."""

    journal: journal.Journal
    sources: Sources
    doors: posting.Doors = field(default_factory=posting.Doors)

    def perform(self, action: OfExperiment, engines: Mapping[str, Engine]) -> outcomes.Outcome:
        """Raises `Unavailable` where an engine does not answer."""
        match action:
            case Begin():
                fields = journal.about(action.spec, action.reason.text, report.document(action.run))
                key = ("experiment-begun", action.run.id)
                self.journal.record_once(key, Kind.EXPERIMENT_BEGUN, fields)
                return outcomes.Done()
            case Look():
                return self._look(action, engines)
            case Decide():
                decided = replace(action.run, decision=action.decision)
                fields = journal.about(action.spec, action.reason.text, report.document(decided))
                key = ("experiment-decided", action.run.id)
                self.journal.record_once(key, Kind.EXPERIMENT_DECIDED, fields)
                return outcomes.Done()

    def _look(self, action: Look, engines: Mapping[str, Engine]) -> outcomes.Looked:
        run = action.run
        sites = tuple(_site(one, run.spec.control.version, engines) for one in action.hosts)
        self._open_doors(action, sites)
        environment, _, deployment = action.deployment.partition("/")
        args = {
            "model": action.model,
            "environment": environment,
            "deployment": deployment,
            "experiment": run.name,
            "began": datetime.fromtimestamp(run.began_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

        def seen(metric: Observed) -> tuple[str, Increment | Trouble]:
            memo = run.memo.get(metric.name, {})
            context = measuring.Context(action.model, sites, args, self.sources, memo=memo)
            return metric.name, totals.look(metric, run.spec, context)

        with ThreadPoolExecutor(_TOGETHER) as asking:
            return outcomes.Looked(tuple(asking.map(seen, run.spec.observed())))

    def _open_doors(self, action: Look, sites: tuple[measuring.Site, ...]) -> None:
        """For labels, where a metric is about them."""
        spec = action.run.spec
        if any(one.source.labels is not None for one in spec.observed()):
            variants = [variant for site in sites for _, variant in site.variants()]
            self.doors.remember(action.model, variants, watched.lease(spec.interval))


def _site(shared: Shared, version: int, engines: Mapping[str, Engine]) -> measuring.Site:
    spec = shared.treatment
    engine = engines.get(spec.host)
    if engine is None:
        raise errors.Unavailable(f"{spec.host} cannot be reached")
    treatment = measuring.Variant(spec.name, spec.version, engine.preview(spec.name))
    control = measuring.Variant(shared.control, version, engine.preview(shared.control))
    return measuring.Site(spec.host, treatment, control)
