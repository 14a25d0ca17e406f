"""A candidate's trials over real HTTP: what each finds, and in which words."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from reconciler import acceptance
from reconciler.core import golden
from reconciler.core.kinds.template import AcceptanceSpec, AcceptanceTemplate
from reconciler.core.trials import container
from reconciler.core.trials.container import Ended
from reconciler.engines.protocol import Trial
from reconciler.trials import beside, timing
from reconciler.trials.subject import Subject, Target
from registry import errors
from tests.reconciler.simulated import SimulatedEngine
from tests.reconciler.trials.answering import Answering, Version, answering

ROWS = [[place / 40, 0.2, 0.4, 0.6] for place in range(40)]
DATA = golden.Golden(
    (golden.Tensor(None, np.array(ROWS)),), np.array([int(row[0] > 0.5) for row in ROWS])
)


def by_first(row: Any) -> list[float]:
    """Two scores whose order the first value alone decides, at one half."""
    return [0.5 - (row[0] - 0.5), 0.5 + (row[0] - 0.5)]


def spec(**said: Any) -> AcceptanceSpec:
    document = {
        "dataset": {
            "path": "models.d/datasets/x.csv",
            "digest": "sha256:" + "0" * 64,
            "label": "label",
            "inputs": [{"prefix": "p", "dtype": "float32", "shape": [4]}],
        },
        "metrics": {"accuracy": {"min": 0.9}},
        "minimumSamples": 1,
        **said,
    }
    return AcceptanceSpec.model_validate(document)


@dataclass
class Beside:
    """Trials whose container ends after some looks as it is told to."""

    ended: Ended | None
    looks: int = 2
    calls: list[str] = field(default_factory=list)
    fault: Exception | None = None

    def obstacles(self, image: str) -> list[str]:
        return [f"image {image} is not there"]

    def begin(self, trial: Trial) -> None:
        self.calls.append(f"begin {trial.image}")
        if self.fault is not None:
            raise self.fault

    def look(self, name: str) -> Ended | None:
        self.looks -= 1
        return self.ended if self.looks <= 0 else None

    def end(self, name: str) -> None:
        self.calls.append("end")


@pytest.fixture(scope="module")
def server() -> Iterator[Answering]:
    with answering() as server:
        yield server


@pytest.fixture
def runtime(server: Answering) -> Answering:
    server.versions = {("digits", 1): Version(by_first), ("digits", 2): Version(by_first)}
    server.most_together = 0
    return server


@pytest.fixture
def subject(runtime: Answering) -> Subject:
    """Version 2, while version 1 serves."""

    def nowhere() -> Beside:
        raise errors.EngineRefused("edge-1 runs no containers", fix="")

    return Subject(
        name="digits-2",
        digest="sha256:2",
        candidate=runtime.target(2),
        serving=runtime.target(1),
        other=lambda name: runtime.target(1, name),
        memory=lambda: 100 << 20,
        trials=nowhere,
    )


def found(subject: Subject, **said: Any) -> acceptance.Evidence:
    return acceptance.run(spec(**said), DATA, subject, template="golden")


def test_a_candidate_that_is_as_it_should_be_passes_and_leaves_numbers(subject: Subject) -> None:
    passed = found(
        subject,
        latency={"p95Milliseconds": 10_000, "requests": 40, "clients": 2},
        memory={"peak": "100Mi"},
        tensorSchema={},
        parity={"with": "serving"},
        robustness={
            "range": [0, 1],
            "noise": [{"kind": "gaussian", "strength": 0.01, "accuracy": 0.8}],
            "square": [{"norm": "L2", "epsilon": 0.01, "accuracy": 0.8, "queries": 20}],
        },
    )
    assert passed.reasons == ()
    assert passed.metrics["accuracy"] == 1.0
    latency, memory = passed.metrics["latency"], passed.metrics["memory"]
    assert isinstance(latency, dict)
    assert (latency["timedRequests"], latency["clients"]) == (40, 2)
    assert isinstance(memory, dict)
    assert (memory["peakBytes"], memory["firstBytes"]) == (100 << 20, 100 << 20)
    assert passed.metrics["parity"] == {
        "samples": 104,
        "different": 0,
        "classChanges": 0,
        "largestDifference": 0.0,
        "other": "digits@1",
    }
    robustness = passed.metrics["robustness"]
    assert isinstance(robustness, dict)
    assert [*robustness] == [
        "gaussian noise of strength 0.01",
        "Square attack (L2, epsilon 0.01, 20 queries)",
    ]


def test_a_slow_candidate_is_over_its_budget(runtime: Answering, subject: Subject) -> None:
    runtime.versions["digits", 2].delay_s = 0.01
    [late, few] = found(
        subject,
        latency={
            "p95Milliseconds": 9, "requestsPerSecond": 101, "requests": 40, "warmUp": 0
        },
    ).reasons  # fmt: skip
    assert late.startswith("latency: p95 latency ")
    assert "over the budget of 9 ms" in late
    assert "requests a second are below the minimum of 101" in few


def test_the_latency_of_earlier_templates_is_measured_as_ever(
    runtime: Answering, subject: Subject
) -> None:
    metrics = {"accuracy": {"min": 0.9, "maxDrop": 0.1}, "latency": {"p95Milliseconds": 9}}
    runtime.versions["digits", 2].delay_s = 0.01
    failed = found(subject, metrics=metrics)
    [reason] = failed.reasons
    assert "over the budget of 9 ms" in reason
    assert failed.metrics["servingAccuracy"] == 1.0


def test_clients_ask_at_once(runtime: Answering) -> None:
    runtime.versions["digits", 2].clients = 4
    asked = {"p50Milliseconds": 1, "clients": 4, "requests": 40, "warmUp": 0}
    budget = spec(latency=asked).latency
    assert budget is not None
    timed = timing.measured(runtime.target(2), DATA.instances, budget)
    assert len(timed.seconds) == 40
    assert runtime.most_together == 4


def test_a_candidate_that_hardly_answers_is_not_waited_for(runtime: Answering) -> None:
    budget = spec(latency={"p50Milliseconds": 1, "requests": 40}).latency
    assert budget is not None
    timed = timing.measured(runtime.target(2), DATA.instances, budget, longest_s=0.0)
    assert timed.seconds == ()


def test_the_highest_memory_of_the_whole_run_counts(subject: Subject) -> None:
    looks = iter([90 << 20, 200 << 20])
    greedy = replace(subject, memory=lambda: next(looks, 90 << 20))
    [reason] = found(greedy, memory={"peak": "150Mi"}).reasons
    assert reason == "memory: memory peaked at 200.0 MiB, 50.0 MiB over the budget of 150Mi"


def test_memory_that_cannot_be_read_passes_no_budget(subject: Subject) -> None:
    def silent() -> int:
        raise errors.EngineRefused("the engine does not say", fix="")

    [reason] = found(replace(subject, memory=silent), memory={"peak": "150Mi"}).reasons
    assert "its peak is not known" in reason


def test_a_candidate_that_breaks_clients_is_refused(runtime: Answering, subject: Subject) -> None:
    runtime.versions["digits", 2].inputs = {"pixels": ("DT_FLOAT", [-1, 4])}
    reasons = found(subject, tensorSchema={}).reasons
    assert reasons[0].startswith("tensorSchema: input 'x' is gone, which clients of the serving")
    assert found(replace(subject, serving=None), tensorSchema={}).reasons == ()


def test_answers_are_compared_with_another_deployments(
    runtime: Answering, subject: Subject
) -> None:
    runtime.versions["digits-tf", 1] = Version(lambda row: [one + 0.1 for one in by_first(row)])
    [reason] = found(subject, parity={"with": "digits-tf", "seeded": 0}).reasons
    assert reason.startswith("parity: 40 of 40 answers differ from digits-tf by more than")


def test_where_nothing_serves_there_is_no_parity_to_keep(subject: Subject) -> None:
    first = found(replace(subject, serving=None), parity={"with": "serving"})
    assert (first.reasons, first.metrics["parity"]) == ((), {"skipped": "nothing serves yet"})


def test_a_candidate_that_noise_and_attacks_confuse_is_refused(subject: Subject) -> None:
    salted, attacked = found(
        subject,
        robustness={
            "range": [0, 1],
            "noise": [{"kind": "saltAndPepper", "strength": 1.0, "accuracy": 0.9}],
            "square": [{"norm": "Linf", "epsilon": 0.21, "accuracy": 0.9, "queries": 50}],
        },
    ).reasons
    assert salted.startswith("robustness: accuracy 0.")
    assert "under salt-and-pepper noise of strength 1 is below the floor of 0.9" in salted
    # The first value alone decides: those within 0.21 of one half are 12 to 28 of the 40.
    assert "(23 of 40 right) under Square attack (Linf, epsilon 0.21, 50 queries)" in attacked


def test_a_model_without_scores_and_data_outside_the_range_cannot_be_attacked(
    runtime: Answering, subject: Subject
) -> None:
    runtime.versions["digits", 2].predict = lambda row: int(row[0] >= 0.5)
    square = [{"norm": "L2", "epsilon": 0.1, "accuracy": 0.9}]
    [reason] = found(subject, robustness={"range": [0, 1], "square": square}).reasons
    assert reason.endswith("the attack needs a score for each class, and got none")
    [reason] = found(subject, robustness={"range": [0, 0.5], "square": square}).reasons
    assert "cannot be tested: the golden data has values from 0 to 0.975" in reason
    wrong = {"range": [0, 1], "square": square, "image": [3, 3]}
    [reason] = found(subject, robustness=wrong).reasons
    assert "an image of [3, 3] has not the input's 4 values" in reason


RESULT = (
    f'{{"contract": "{container.CONTRACT}", "passed": true, "metrics": {{"seen": 4}}}}'.encode()
)
OWN = {"image": "team/checks:3", "timeout": "1s"}


def test_a_teams_own_test_decides_too(subject: Subject) -> None:
    own = Beside(Ended(0, RESULT, image="sha256:abc"))
    passed = found(replace(subject, trials=lambda: own), container={**OWN, "timeout": "60s"})
    assert passed.reasons == ()
    assert isinstance(passed.metrics["container"], dict)
    assert passed.metrics["container"]["image"] == "sha256:abc"
    assert passed.metrics["container"]["metrics"] == {"seen": 4.0}
    assert own.calls == ["begin team/checks:3", "end"]


def test_a_test_that_could_not_run_is_an_obstacle_before_anything_starts() -> None:
    class Host(SimulatedEngine):
        def trials(self) -> Beside:
            return Beside(None)

    def template(**said: Any) -> AcceptanceTemplate:
        head = {"apiVersion": "plimsoll.dev/v1", "kind": "AcceptanceTemplate"}
        written = {**head, "metadata": {"name": "golden"}, "spec": spec(**said)}
        return AcceptanceTemplate.model_validate(written)

    engine = Host("edge-1")
    assert beside.obstacles(engine, [template(), template(container=OWN)]) == [
        "image team/checks:3 is not there"
    ]
    assert beside.obstacles(SimulatedEngine("edge-1"), [template()]) == []


def test_a_test_that_takes_too_long_is_ended_and_says_no(subject: Subject) -> None:
    own = Beside(None)
    failed = found(replace(subject, trials=lambda: own), container=OWN)
    assert failed.reasons == ("container: the test did not end within 1s",)
    assert own.calls[-1] == "end"


def test_what_an_engine_refuses_is_no_verdict_and_leaves_nothing(subject: Subject) -> None:
    own = Beside(None, fault=errors.EngineRefused("no such image", fix="load it"))
    with pytest.raises(errors.EngineRefused, match="no such image"):
        found(replace(subject, trials=lambda: own), container=OWN)
    assert own.calls[-1] == "end"
    with pytest.raises(errors.EngineRefused, match="runs no containers"):
        found(subject, container=OWN)


def test_a_candidate_that_stops_answering_is_no_verdict(
    runtime: Answering, subject: Subject
) -> None:
    runtime.versions["digits", 2].status = 503
    with pytest.raises(errors.Unavailable, match="answered status 503"):
        found(subject, latency={"p50Milliseconds": 1})


def test_a_container_has_one_name_for_each_instance_and_template(subject: Subject) -> None:
    names = {
        subject.trial_name("golden"),
        subject.trial_name("other"),
        replace(subject, name="digits-3").trial_name("golden"),
    }
    assert len(names) == 3
    assert subject.trial_name("golden") in names


def test_targets_are_told_by_model_and_version(runtime: Answering) -> None:
    assert runtime.target(2) == Target("digits", 2, runtime.target(1).preview, "sha256:2")
