"""The providers against the real things: a Prometheus from Debian, a runtime in its own process."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from reconciler import measuring
from reconciler.core import analysis, analysis_memory
from reconciler.core.analysis import Phase
from reconciler.core.kinds.analysis import Metric
from reconciler.core.measurements import Found, Measurement, NotEnough, Trouble
from reconciler.measuring import Context, Site, posting
from registry.core import canonical, reading
from tests.reconciler.core.analysed import metric as metric_text
from tests.reconciler.core.analysed import template
from tests.reconciler.measuring.real import Prometheus, context, prometheus, two_versions, until
from tests.runtime import models
from tests.runtime.process import CONTROL_TOKEN, Runtime
from tests.runtime.test_control import BODY

# On a busy machine a scrape may be late, and its series stale for a moment.
COUNT = (
    'last_over_time(plimsoll_requests_total{model="{{args.model}}",'
    'version="{{args.candidate-version}}"}[1m])'
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Runtime, Prometheus]]:
    """Both versions have answered forty requests, and Prometheus knows of that."""
    folder: Path = tmp_path_factory.mktemp("real")
    with two_versions(folder) as runtime, prometheus(folder, scraping=runtime.port) as seen:
        for number in range(40):
            for version in (1, 2):
                ask(runtime, version, number)
        query = 'last_over_time(plimsoll_requests_total{version="2",status="200"}[1m])'
        until(lambda: seen.value(query) == 40.0, what=lambda: runtime.log)
        yield runtime, seen


def ask(runtime: Runtime, version: int, number: int, body: Any = None) -> int:
    given = {"instances": [[float(number)] * 64]} if body is None else body
    return runtime.post(
        f"/v1/models/digits/versions/{version}:predict",
        given,
        headers={"authorization": f"Bearer {CONTROL_TOKEN}"},
    ).status_code


def measured(about: Context, **provider: Any) -> Measurement:
    document = {"name": "n", "provider": provider}
    return measuring.measure(reading.part(document, Metric, what="metric"), about)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (COUNT, [40.0]),
        (f"scalar(sum({COUNT})) / 4", 10.0),
        (f"{COUNT} * 2 or vector(7)", [80.0, 7.0]),
        ('count(last_over_time(up{job=~"{{args.hostile}}|runtime"}[1m]))', [1.0]),
    ],
)
def test_prometheus_answers_with_numbers(
    world: tuple[Runtime, Prometheus], query: str, wanted: Any
) -> None:
    runtime, seen = world
    asked = {"address": seen.url, "query": query, "samples": "count(last_over_time(up[1m]))"}
    found = measured(context(runtime, seen), prometheus=asked)
    assert found == Found(wanted, 1)


@pytest.mark.parametrize(
    ("query", "kind", "why"),
    [
        ('up{job="{{args.hostile}}"}', NotEnough, "no series"),
        (f"{COUNT} * 0 / 0", NotEnough, "NaN"),
        ("up[1m]", Trouble, "a matrix"),
        ("up{", Trouble, "parse error"),
        ('"text"', Trouble, "a string"),
        ("label_replace(up, 'x', '$1', 'job', '(')", Trouble, "execution:"),
    ],
)
def test_prometheus_answers_with_something_else(
    world: tuple[Runtime, Prometheus], query: str, kind: type, why: str
) -> None:
    runtime, seen = world
    found = measured(context(runtime, seen), prometheus={"address": seen.url, "query": query})
    assert isinstance(found, kind)
    assert isinstance(found, NotEnough | Trouble)
    assert why in found.reason


def test_infinity_is_judged_an_error(world: tuple[Runtime, Prometheus]) -> None:
    runtime, seen = world
    by = f"{{prometheus: {{address: '{seen.url}', query: 'vector(1) / 0'}}}}"
    run = analysis.begin(
        [template(metric_text("n", 'failureCondition: "result[0] > 1"', by))], {}, 0
    )
    found = measuring.measure(run.metrics[0].metric, context(runtime, seen))
    run = analysis.record(run, "n", found, 0)
    assert "not finite" in analysis.phase(run).reason


def test_a_prometheus_of_another_authority_is_not_believed(
    world: tuple[Runtime, Prometheus],
) -> None:
    runtime, seen = world
    nobody = Path(__file__).parents[2] / "nobody.pem"
    found = measured(
        context(runtime, seen, ca=nobody), prometheus={"address": seen.url, "query": "up"}
    )
    assert isinstance(found, Trouble)
    assert "certificate" in found.reason


def test_a_runtimes_counters_and_answers_tell_two_versions_apart(
    world: tuple[Runtime, Prometheus],
) -> None:
    """Neither request has an id; the second version was trained on nonsense."""
    runtime, seen = world
    about = context(runtime, seen)
    rejections = {"runtime": {"measure": "rejectionRate"}}
    agreement = {"comparison": {"measure": "sameTop", "output": "probabilities"}}
    first, second = measured(about, **rejections), measured(about, **agreement)
    assert isinstance(first, NotEnough)
    assert isinstance(second, NotEnough)
    for number in range(8):
        for version in (1, 2):
            assert ask(runtime, version, number) == 200
    assert ask(runtime, 1, 0, BODY) == ask(runtime, 2, 0, BODY) == 200
    assert [ask(runtime, 2, 0, {"instances": [["x"]]}) for _ in range(3)] == [400] * 3
    counted = measured(replace(about, memo=first.memo), **rejections)
    assert isinstance(counted, Found)
    assert (counted.result, counted.samples) == (0.25, 12)
    assert counted.values == {"candidate": 0.25, "stable": 0.0}
    compared = measured(replace(about, memo=second.memo), **agreement)
    assert isinstance(compared, Found)
    assert compared.samples == 9
    assert isinstance(compared.result, float)
    assert compared.result < 0.9


def test_an_analysis_survives_a_restart_after_each_look_and_finds_the_worse_version(
    world: tuple[Runtime, Prometheus],
) -> None:
    """Its own counters find nothing wrong with a version that answers nonsense; its answers do."""
    runtime, seen = world
    about = context(runtime, seen)
    same = "{comparison: {measure: sameTop, output: probabilities}}"
    judged = {
        Phase.SUCCESSFUL: metric_text(
            "errors", "failureCondition: result < 0.01, interval: 10s, count: 2, minimumSamples: 9",
            "{sequential: {measure: errorRate}}",
        ),
        Phase.FAILED: metric_text(
            "answers", "successCondition: result > 0.98, interval: 10s, minimumSamples: 20", same
        ),
    }  # fmt: skip
    for phase, text in judged.items():
        run, now = analysis.begin([template(text)], {}, 0.0), 0.0
        while analysis.phase(run).phase not in analysis.ENDED:
            now = analysis.next_at(run) or now
            found = [
                (one.metric.name, measuring.measure(one.metric, replace(about, memo=one.memo)))
                for one in run.metrics
                if one.metric.name in analysis.due(run, now)
            ]
            run = analysis.conclude(run, run, found, now)
            kept = canonical.encode(analysis_memory.document(run))
            run = analysis_memory.read(canonical.decode_object(kept, what="run"))
            for number in range(12):
                assert [ask(runtime, version, number) for version in (1, 2)] == [200, 200]
            assert now < 200
        assert analysis.phase(run).phase is phase


def test_drifted_traffic_and_late_labels_each_end_an_analysis_of_a_real_runtime(
    world: tuple[Runtime, Prometheus],
) -> None:
    """Both versions get the same rows: dark at first, then as bright as no training image was."""
    runtime, seen = world
    about = context(runtime, seen)
    light = models.digits()[0].mean(axis=1)
    edges = [0.27, 0.29, 0.31, 0.33]
    usual = np.bincount(np.searchsorted(edges, light)).tolist()
    bins = f"{{edges: {edges}, counts: {usual}}}"
    judged = {
        "light": (
            "successCondition: result < 0.5",
            f"{{drift: {{feature: X, test: psi, reference: {bins}}}}}",
        ),
        "wrong": (
            "successCondition: result <= stable + 0.2",
            "{labels: {metric: errorRate, output: probabilities}}",
        ),
    }
    for name, (condition, by) in judged.items():
        text = metric_text(name, f"{condition}, interval: 10s, count: 5, minimumSamples: 40", by)
        run, now, reasons = analysis.begin([template(text)], {}, 0.0), 0.0, list[str]()
        while analysis.phase(run).phase not in analysis.ENDED:
            (one,) = run.metrics
            found = measuring.measure(one.metric, replace(about, memo=one.memo))
            run = analysis.conclude(run, run, [(name, found)], now)
            reasons.append(analysis.phase(run).reason)
            now = analysis.next_at(run) or now
            answered_and_labelled(runtime, about.sites[0], len(reasons))
            assert now < 100
        assert analysis.phase(run).phase is Phase.FAILED, reasons
        assert [reason for reason in reasons if "1 of 5 measured" in reason] or name == "wrong"


def answered_and_labelled(runtime: Runtime, site: Site, looks: int) -> None:
    """A request of 50 digits to each version, by TensorFlow Serving's REST with an id in its
    header; later, what they really show."""
    images, labels = models.digits()
    some = np.random.default_rng(looks).integers(len(images), size=50)
    told = {"authorization": f"Bearer {CONTROL_TOKEN}", "x-request-id": f"look-{looks}"}
    brighter = 1.0 if looks == 1 else 1.8
    body = {"instances": (images[some] * brighter).tolist()}
    for version in (1, 2):
        path = f"/v1/models/digits/versions/{version}:predict"
        assert runtime.post(path, body, headers=told).status_code == 200
    known = {"id": told["x-request-id"], "label": labels[some].tolist()}
    given = {"model": "digits", "labels": [known]}
    doors = posting.Doors()
    doors.remember("digits", [one for _, one in site.variants()], 60)
    (said,) = cast("list[Any]", posting.post(doors, canonical.encode(given))["labels"])
    assert set(said["versions"].values()) <= {"joined", "unfit", "ambiguous"}
