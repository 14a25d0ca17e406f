"""The action `Measure`: what is asked of whom, and what of it stands in the registry's log."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from reconciler.core import actions, analysis, outcomes, wording
from reconciler.core.actions import Measure, Pair
from reconciler.core.experiments import acts
from reconciler.core.experiments.run import Run
from reconciler.core.observed import Health, Instance, InstanceSpec, Phase
from reconciler.core.planned import Plan
from reconciler.core.reasons import Reason, Why
from reconciler.engines.protocol import Endpoint
from registry.core.entries import Entry, Kind
from tests.reconciler.core.analysed import metric, template
from tests.reconciler.measuring.service import Service, serving
from tests.reconciler.measuring.test_totals import spec as experiment
from tests.reconciler.simulated import SimulatedEngine
from tests.reconciler.town import Town, town
from tests.registry.publishing import Publisher

PAGE = 'plimsoll_requests_total{{model="digits",version="{}",status="{}"}} {}\n'


@dataclass
class Metered(SimulatedEngine):
    """A simulated host whose preview door leads to services."""

    doors: dict[str, Service] = field(default_factory=dict)

    def preview(self, instance: str) -> Endpoint:
        return Endpoint(self.doors[instance].url, {})


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path, Publisher()) as made:
        yield made


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as found:
        yield found


def spec(version: int) -> InstanceSpec:
    return InstanceSpec(
        "edge-1", "production/digits", "digits", version, f"sha256:{version:064x}", "onnx",
        "runtime:1", 1 << 20, 1.0, "c" * 40,
    )  # fmt: skip


def host(service: Service) -> Metered:
    known = {
        one.name: Instance.of(one, Phase.RUNNING, Health.HEALTHY) for one in (spec(1), spec(2))
    }
    return Metered("edge-1", instances=known, doors=dict.fromkeys(known, service))


def asked(run: analysis.AnalysisRun) -> Measure:
    pair = Pair(spec(2), spec(1).name)
    reason = Reason(Why.MEASUREMENT_DUE, "errors is due")
    return Measure((pair,), run, ("errors",), reason)


def begun(more: str = "successCondition: result <= stable, interval: 10s") -> analysis.AnalysisRun:
    return analysis.begin([template(metric(more=more))], {}, 1000.0)


def measured(here: Town, engine: Metered, run: analysis.AnalysisRun) -> analysis.AnalysisRun:
    """The run after one action."""
    state = here.loop.source.state(patience_s=60)
    assert state is not None
    outcome = here.loop.effects.perform(asked(run), state, {"edge-1": engine})
    assert isinstance(outcome, outcomes.Measured), outcome
    ((name, found),) = outcome.found
    return analysis.record(run, name, found, 1000.0)


def analysed(here: Town) -> list[Entry]:
    return [entry for entry in here.log() if entry.kind is Kind.ANALYSED]


def page(service: Service, *, good: int, bad: int) -> None:
    text = PAGE.format(2, 200, good) + PAGE.format(2, 500, bad) + PAGE.format(1, 200, good)
    service.answers["/metrics"] = 200, text.encode()


def test_a_failed_analysis_is_in_the_log_with_its_numbers(here: Town, service: Service) -> None:
    engine = host(service)
    page(service, good=5, bad=0)
    run = measured(here, engine, begun())
    assert analysed(here) == []
    page(service, good=8, bad=1)
    run = measured(here, engine, run)
    assert analysis.phase(run).phase is analysis.Phase.FAILED
    (entry,) = analysed(here)
    assert (entry.model, entry.version, entry.host) == ("digits", 2, "edge-1")
    said = "errors: 1 failed, at most 0 allowed: result 0.25: result <= stable is not true"
    assert entry.reason == said
    assert entry.detail["phase"] == "Failed"
    assert entry.detail["against"] == [spec(1).name]
    assert "0.25" in str(entry.detail["metrics"])


def test_a_good_measurement_on_the_way_is_no_entry_and_a_good_end_is_one(
    here: Town, service: Service
) -> None:
    engine = host(service)
    run = begun("successCondition: result <= stable, interval: 10s, count: 2")
    for good in (5, 10, 15):
        assert analysed(here) == []
        page(service, good=good, bad=0)
        run = measured(here, engine, run)
    (entry,) = analysed(here)
    assert entry.detail["phase"] == "Successful"


def test_instances_that_are_asked_to_remember_are_those_that_labels_go_to(
    here: Town, service: Service
) -> None:
    engine, doors = host(service), here.loop.effects.analyst.doors
    measured(here, engine, begun())
    assert doors.of("digits") == []
    by = "{labels: {metric: accuracy, output: y}}"
    about = metric("errors", "successCondition: result > 0.5, minimumSamples: 5", by)
    measured(here, engine, analysis.begin([template(about)], {}, 1000.0))
    assert {one.instance for one in doors.of("digits")} == {spec(1).name, spec(2).name}


def test_an_experiment_by_labels_lets_them_go_to_both_variants_on_its_hosts(
    here: Town, service: Service
) -> None:
    engine, doors = host(service), here.loop.effects.analyst.doors
    state = here.loop.source.state(patience_s=60)
    assert state is not None
    shared = (acts.Shared(spec(2), spec(1).name),)
    for source in (
        {"runtime": {"measure": "errorRate", "designEffect": 1}},
        {"labels": {"metric": "accuracy", "output": "y", "designEffect": 1}},
    ):
        assert doors.of("digits") == []
        asked = Run("bigger", experiment(source), 1000.0)
        reason = Reason(Why.MEASUREMENT_DUE, "a look is due")
        look = acts.Look("production/digits", asked, "digits", shared, reason)
        here.loop.effects.perform(look, state, {"edge-1": engine})
    assert {one.instance for one in doors.of("digits")} == {spec(1).name, spec(2).name}


def test_a_metric_that_the_run_does_not_have_is_not_measured(here: Town, service: Service) -> None:
    run = analysis.begin([template(metric("other"))], {}, 1000.0)
    state = here.loop.source.state(patience_s=60)
    assert state is not None
    outcome = here.loop.effects.perform(asked(run), state, {"edge-1": host(service)})
    assert outcome == outcomes.Measured(())


def test_what_serves_and_is_gone_is_a_failure_of_the_action_and_no_measurement(
    here: Town, service: Service
) -> None:
    engine = host(service)
    del engine.instances[spec(1).name]
    state = here.loop.source.state(patience_s=60)
    assert state is not None
    outcome = here.loop.effects.perform(asked(begun()), state, {"edge-1": engine})
    assert isinstance(outcome, outcomes.Failed)
    assert "is not there to compare with" in outcome.detail


def test_no_host_waits_for_a_measurement(here: Town, service: Service) -> None:
    """Another action on the same host is done while whoever is asked keeps silent."""
    engine = here.hosts["edge-1"] = host(service)
    stable = spec(1).name
    engine.instances[stable] = replace(engine.instances[stable], phase=Phase.EXITED)
    assert here.loop.source.state(patience_s=60) is not None
    found = here.loop.gather()
    assert found is not None
    page(service, good=1, bad=0)
    service.answering.clear()
    reason = Reason(Why.EXITED, "it exited")
    restart = actions.Restart("edge-1", "production/digits", stable, reason)
    here.loop.apply(Plan("c", (asked(begun()), restart), ()), found)
    here.loop.apply(Plan("c", (asked(begun()),), ()), found)
    assert engine.writes == [f"restart {stable}"]
    service.answering.set()
    here.loop._measuring.close()
    assert len(service.asked) == 2, "the second action began nothing: one is under way"


def test_an_action_says_where_it_is_and_what_it_is_for() -> None:
    action = asked(begun())
    assert wording.render(action) == (
        f"edge-1: measure {spec(2).name} (measurement_due: errors is due)"
    )
