"""A candidate is tested once for all that its results depend on; and slow tests hold up nobody."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler import signing
from reconciler.core.observed import Phase
from reconciler.engines.protocol import Trials
from registry.core.entries import Kind
from tests.reconciler.town import DEPLOYMENT, Town, manifest, town
from tests.reconciler.trials.answering import Answering, Version, answering
from tests.registry.publishing import Publisher

CSV = b"p0,label\n" + b"".join(b"%f,%d\n" % (at / 40, at > 20) for at in range(40))
TEMPLATE = """\
apiVersion: plimsoll.dev/v1
kind: AcceptanceTemplate
metadata: {{name: golden}}
spec:
  dataset:
    {place}
    digest: sha256:{digest}
    label: label
    inputs: [{{prefix: p, dtype: float32, shape: [1]}}]
  metrics: {{accuracy: {{min: {least}, maxDrop: 0.5}}}}
  minimumSamples: 40
"""


def template(least: float = 0.9, place: str = "path: models.d/datasets/x.csv") -> str:
    digest = hashlib.sha256(CSV).hexdigest()
    return TEMPLATE.format(place=place, digest=digest, least=least)


@dataclass
class Trial:
    """A town whose hosts' candidates are answered for by `runtime`."""

    town: Town
    runtime: Answering

    def deploy(self, version: int, text: str = "", *, hosts: str = "[edge-1]") -> None:
        self.ask(version, text, hosts=hosts)
        self.town.settle()

    def ask(self, version: int, text: str = "", *, hosts: str = "[edge-1]") -> None:
        asked = manifest(version, self.town.digests[version], hosts=hosts)
        self.town.origin.commit(
            {
                DEPLOYMENT: asked + "  acceptance: [{template: golden}]\n",
                "models.d/templates/golden.yaml": text or template(),
                "models.d/datasets/x.csv": CSV.decode(),
            },
            f"Serve version {version}",
        )
        self.town.loop.hint()

    def list_reconciler(self) -> None:
        """Trust what the reconciler signs."""
        folder = self.town.folder
        key = signing.peek(folder / "reconciler")
        assert key is not None
        listed = [{"name": "robot", "publicKey": key.public_pem}]
        file = self.town.server.app.state.registry.settings.reconcilers_file
        file.write_text(json.dumps({"reconcilers": listed}))
        trusted = self.town.registry.get("/v1/trust").content
        (folder / "registry" / "trust.json").write_bytes(trusted)

    def tests(self) -> list[tuple[str, dict[str, Any]]]:
        """What the log says of tests: in words, and what was measured."""
        found = [one for one in self.town.log() if one.kind is Kind.TESTED]
        return [(one.reason, dict(one.detail["evidence"])["golden"]) for one in found]  # type: ignore[call-overload]


def by_half(row: Any) -> list[float]:
    return [1 - row[0], row[0]]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Trial]:
    publisher = Publisher()
    with town(tmp_path, publisher) as made, answering() as runtime:
        for version in (1, 2):
            made.publish(version, publisher)
            runtime.versions["digits", version] = Version(
                by_half, inputs={"x": ("DT_FLOAT", [-1, 1])}
            )
        for host in made.hosts.values():
            host.preview_url = runtime.url
        yield Trial(made, runtime)


def test_what_passed_is_not_run_again_for_the_next_host(here: Trial) -> None:
    here.list_reconciler()
    here.deploy(1, hosts="[edge-1]")
    asked = here.runtime.asked
    here.deploy(1, hosts="[edge-1, edge-2]")
    assert here.town.serving("edge-2") is not None
    assert here.runtime.asked == asked
    (first, measured), (second, reused) = here.tests()
    assert first == "all acceptance tests passed"
    assert second == f"{first}; not run again, since nothing changed: golden"
    assert reused["reused"]["signer"] == "robot"
    assert reused["accuracy"] == measured["accuracy"] == 1.0
    evidence = here.town.registry.get("/v1/models/digits/versions/1/evidence").json()
    assert [one["kind"] for one in evidence["evidence"]].count("test-result") == 1


def test_another_template_or_serving_version_is_tested_anew(here: Trial) -> None:
    here.list_reconciler()
    for version in (1, 2, 1, 2):
        here.deploy(version)
    here.deploy(1, template(0.8))
    found = [(one.get("servingAccuracy"), "reused" in one) for _, one in here.tests()]
    # Version 1 alone, 2 against 1, 1 against 2, 2 against 1 as before, 1 by another template.
    assert found == [(None, False), (1.0, False), (1.0, False), (1.0, True), (1.0, False)]


def test_results_that_nobody_signed_are_not_reused(here: Trial) -> None:
    here.deploy(1)
    here.deploy(1, hosts="[edge-1, edge-2]")
    assert ["reused" in one for _, one in here.tests()] == [False, False]


def test_what_failed_is_refused_in_the_words_of_its_test(here: Trial) -> None:
    here.runtime.versions["digits", 1].predict = lambda row: [row[0], 1 - row[0]]
    here.deploy(1)
    assert here.town.serving() is None
    [(said, measured)] = here.tests()
    assert said.startswith("golden: accuracy 0.")
    assert (measured["passed"], measured["samples"]) == (False, 40)


class Left:
    """A test in a container of a reconciler that was killed: it goes on asking the candidate."""

    def __init__(self) -> None:
        self.asks: set[str] = set()

    def end_all_of(self, instance: str) -> None:
        self.asks.discard(instance)


def test_what_a_killed_reconciler_let_a_test_do_is_not_held_against_the_candidate(
    here: Trial,
) -> None:
    left, edge = Left(), here.town.hosts["edge-1"]
    edge.tests = cast("Trials", left)

    def overwhelmed(row: Any) -> list[float]:
        return by_half(row)[::-1] if left.asks else by_half(row)

    here.runtime.versions["digits", 1].predict = overwhelmed
    here.ask(1)
    for _ in range(20):
        if edge.instances:
            break
        here.town.rounds(1)
    left.asks = set(edge.instances)
    assert left.asks
    here.town.settle()
    assert here.tests()[0][0] == "all acceptance tests passed"
    assert here.town.serving() is not None


def test_golden_data_of_the_registry_is_pulled_once_and_kept_by_its_digest(here: Trial) -> None:
    place = "artifact: datasets/digits\n    format: csv"
    here.deploy(1, template(place=place))
    assert here.town.serving() is None
    [failure] = failures(here)
    assert "the registry has no golden data datasets/digits@sha256:" in failure
    push(here, CSV)
    here.deploy(2, template(place=place))
    assert here.town.serving() is not None
    [kept] = (here.town.folder / "reconciler" / "datasets").iterdir()
    assert kept.read_bytes() == CSV
    # Whoever changes it on the disk changes nothing: it is fetched anew.
    kept.write_bytes(CSV.replace(b",0", b",1"))
    here.town.loop.effects.accepting.goldens._parsed.clear()
    here.deploy(1, template(0.8, place))
    assert here.tests()[-1][1]["accuracy"] == 1.0
    assert kept.read_bytes() == CSV


def test_a_slow_test_delays_nothing_else_on_its_host(here: Trial) -> None:
    """Whatever the host has is healed meanwhile, and other deployments go on: its lane is free."""
    let_go = threading.Event()
    here.runtime.versions["digits", 2].predict = lambda row: let_go.wait(60) and by_half(row)
    here.town.deploy(1)
    here.town.settle()
    before, host = here.town.serving(), here.town.hosts["edge-1"]
    assert before is not None
    here.ask(2)
    try:
        tick_until(here, lambda: here.town.loop._testing.running() != [])
        host.kill(before.name)
        tick_until(here, lambda: host.instances[before.name].phase is Phase.RUNNING)
        assert here.town.loop._testing.running() == ["edge-1 production/digits"]
        assert here.tests() == []
    finally:
        let_go.set()
    here.town.settle()
    assert [said for said, _ in here.tests()] == ["all acceptance tests passed"]
    serving = here.town.serving()
    assert serving is not None
    assert serving.version == 2


def tick_until(here: Trial, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        here.town.loop.tick()
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError(f"it never held; running tests: {here.town.loop._testing.running()}")


def failures(here: Trial) -> list[str]:
    known = here.town.loop.memory.rollouts()["production/digits"].on("edge-1")
    return [one.detail for one in known.failures]


def push(here: Trial, data: bytes) -> None:
    """As oras does."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    path = f"/v2/datasets/digits/blobs/uploads/?digest={digest}"
    answer = here.town.registry.post(path, content=data)
    assert answer.status_code == 201, answer.text
