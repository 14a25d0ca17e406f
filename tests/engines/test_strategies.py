"""Canary, A/B test and shadow on a real Docker host, with the real runtime and real clients."""

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from deploy import images as deployed
from reconciler.core.experiments.run import Decision, Verdict
from reconciler.core.reasons import Why
from reconciler.core.strategies.progress import State
from tests.engines import load, rigs, sites
from tests.engines.sites import Site

ASKED = json.dumps({"instances": [[1.0, 2.0, 3.0, 4.0]]}).encode()
TEMPLATE = """\
apiVersion: plimsoll.dev/v1
kind: AnalysisTemplate
metadata: {{name: {name}}}
spec:
  metrics:
    - {{name: {name}, interval: 1s, minimumSamples: 20, {rest}}}
"""
TEMPLATES = {
    "models.d/templates/errors.yaml": TEMPLATE.format(
        name="errors",
        rest="count: 2, successCondition: result == 0.0, provider: {runtime: {measure: errorRate}}",
    ),
    "models.d/templates/same.yaml": TEMPLATE.format(
        name="same",
        rest="successCondition: result > 0.99, provider: {comparison: {measure: agreement}}",
    ),
}

EXPERIMENT = """\
apiVersion: plimsoll.dev/v1
kind: Experiment
metadata: {{name: bigger}}
spec:
  deployment: production/digits
  variants:
    - {{name: old, version: {0}, digest: "{1}", weight: 50}}
    - {{name: new, version: {2}, digest: "{3}", weight: 50}}
  unit: {{cookie: side}}
  metric:
    name: errors
    better: lower
    proportion: {{}}
    source: {{runtime: {{measure: errorRate, designEffect: 1}}}}
    smallestEffect: 0.2
  interval: 1s
  horizon: {{samples: 100000, time: 10m}}
"""


@dataclass
class Here:
    """`until` lets the reconciler work until something is so."""

    site: Site
    url: str
    until: Callable[[Callable[[], bool]], None]

    def state(self) -> State | None:
        progress = self.site.known().progress
        return None if progress is None else progress.state

    def decision(self) -> Decision | None:
        run = self.site.known().experiment
        return None if run is None else run.decision

    def serving(self) -> int:
        good = self.site.known().on(self.site.rig.host).last_good
        assert good is not None
        return good.version

    def ask(self, headers: dict[str, str]) -> http.client.HTTPResponse:
        address = urlsplit(self.url)
        link = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        link.request("POST", "/v1/models/digits:predict", body=ASKED, headers=headers)
        answer = link.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        link.close()
        return answer


@pytest.fixture(scope="module")
def here(built_images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """A version that adds 1 serves."""
    [image] = deployed.build(
        ("runtime-edge",), address=rigs.SOCKET, base=deployed.LOCAL, tag="test"
    )
    folder = tmp_path_factory.mktemp("site")
    with rigs.docker_host() as rig, sites.site(folder, rig, image=image) as site:
        site.templates = TEMPLATES
        site.ask_for("blueGreen: {scaleDownDelaySeconds: 0}")
        with sites.reconciled(site) as until:
            until(lambda: site.has_settled(site.versions))
            yield Here(site, rig.engine.front().url, until)


def test_a_shadow_that_answers_otherwise_leaves_before_any_client_has_seen_it(here: Here) -> None:
    good = here.serving()
    with load.running(here.url, clients=2, body=ASKED, pause=0.01) as clients:
        analysis = "analysis: {templates: [{templateName: same}]}"
        bad = here.site.ask_for(f"shadow: {{duration: 10m, {analysis}}}", adds=2.0)
        here.until(lambda: here.site.has_settled(good) and bool(here.site.known().quarantined))
    found = here.site.known().quarantined[-1]
    assert (found.spec.version, found.code) == (bad, Why.ANALYSIS_FAILED)
    assert clients.failures == []
    assert set(clients.answers) == {str(good)}


def test_a_canary_gets_who_asks_for_it_then_a_share_is_measured_and_a_person_promotes_it(
    here: Here,
) -> None:
    header = "{setHeaderRoute: {match: [{headerName: x-beta, headerValue: {exact: yes}}]}}"
    analysis = "{analysis: {templates: [{templateName: errors}], timeout: 2m}}"
    steps = (
        f"[{header}, {{setWeight: 50}}, {{pause: {{duration: 1s}}}}, {analysis}, {{pause: {{}}}}]"
    )
    good = here.serving()
    with load.running(here.url, clients=2, body=ASKED, pause=0.01) as clients:
        new = here.site.ask_for(f"canary: {{steps: {steps}, scaleDownDelaySeconds: 0}}")
        here.until(lambda: here.state() is State.PAUSED)
        assert {here.ask({"x-beta": "yes"}).headers["plimsoll-version"] for _ in range(10)} == {
            str(new)
        }
        assert set(clients.answers) == {str(good), str(new)}
        here.site.say("promote", "--reason", "the numbers are good")
        here.until(lambda: here.site.has_settled(new))
    assert clients.failures == []


def test_an_experiment_counts_what_both_variants_do_and_leaves_the_control(here: Here) -> None:
    good = here.serving()
    digest = here.site.publish()
    new = here.site.versions
    text = EXPERIMENT.format(good, here.site.digests[good], new, digest)
    path = "models.d/experiments/bigger.yaml"
    with load.running(here.url, clients=2, body=ASKED, pause=0.01) as clients:
        here.site.origin.commit({path: text}, "Try another version")
        here.until(lambda: here.decision() is not None)
        here.until(lambda: here.site.has_settled(good))
        clients.await_everybody()
        clients.answers.clear()
        clients.await_answers(20)
    decision, run = here.decision(), here.site.known().experiment
    assert decision is not None
    assert (decision.verdict, clients.failures) == (Verdict.NO_DIFFERENCE, [])
    assert run is not None
    seen = run.seen["errors"]
    assert min(seen.control.count, seen.treatment.count) > 10
    assert set(clients.answers) == {str(good)}
    here.site.origin.commit({path: None}, "It is over")


def test_in_an_ab_test_each_client_stays_where_they_were_sent_until_it_is_aborted(
    here: Here,
) -> None:
    good = here.serving()
    steps = "steps: [{setWeight: 50}, {pause: {}}]"
    with load.running(here.url, clients=2, body=ASKED, pause=0.01) as clients:
        new = here.site.ask_for(f"abTest: {{sticky: {{cookie: side}}, {steps}}}")
        here.until(lambda: here.state() is State.PAUSED)
        met = set[str]()
        for _ in range(20):
            first = here.ask({})
            cookie = first.headers["set-cookie"].partition(";")[0]
            met.add(first.headers["plimsoll-version"])
            for _ in range(5):
                again = here.ask({"cookie": cookie}).headers["plimsoll-version"]
                assert again == first.headers["plimsoll-version"]
        assert met == {str(good), str(new)}
        here.site.say("abort", "--reason", "people buy less")
        here.until(lambda: here.site.has_settled(good))
    assert clients.failures == []
