"""The action `Call`: where a hook may be, what is posted, and what stands in the registry's log."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler import calling
from reconciler.config import Source, Sources
from reconciler.core import outcomes
from reconciler.core.hookruns import Call, HookRun
from reconciler.core.reasons import Reason, Why
from registry.core.entries import Entry, Kind
from tests.reconciler.measuring.service import Service, serving
from tests.reconciler.measuring.test_analysing import spec
from tests.reconciler.town import DEPLOYMENT, Town, manifest, town
from tests.registry.publishing import Publisher

RUN = HookRun("preSync", "backup", "sha256:r", "c" * 40, "", 1_000_000.0, 1_000_000.0)


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as found:
        yield found


@pytest.fixture
def here(tmp_path: Path, service: Service) -> Iterator[Town]:
    with town(tmp_path, Publisher()) as made:
        sources = Sources(hooks=(Source(f"{service.url}/hooks"),))
        caller = calling.Caller(made.loop.journal, sources)
        made.loop.effects = replace(made.loop.effects, caller=caller)
        yield made


def called(here: Town, service: Service, path: str = "/hooks/backup") -> outcomes.Outcome:
    state = here.loop.source.state(patience_s=60)
    assert state is not None
    why = Reason(Why.HOOK_DUE, "preSync hook backup has not answered yet")
    return here.loop.effects.perform(Call(spec(2), service.url + path, 60, RUN, why), state, {})


def told(here: Town) -> list[Entry]:
    return [entry for entry in here.log() if entry.kind is Kind.HOOK_CALLED]


def test_a_yes_is_in_the_log_once_however_often_it_is_given(here: Town, service: Service) -> None:
    service.answers["/hooks/backup"] = 202, b""
    assert called(here, service) == called(here, service) == outcomes.Done()
    (entry,) = told(here)
    assert entry.detail["hook"] == "backup"
    assert entry.host == ""
    (first, second) = service.asked
    assert first[2] == second[2]
    assert first[3]["idempotency-key"] == entry.detail["event"]
    assert first[3]["content-type"] == "application/cloudevents+json"
    event = json.loads(first[2])
    assert event["type"] == "dev.plimsoll.rollout.presync.v1"
    assert event["id"] == entry.detail["event"]
    assert event["time"] == "1970-01-12T13:46:40+00:00"
    assert event["data"] == {
        "hook": "backup", "environment": "production", "deployment": "digits", "reason": "",
        "model": "digits", "version": 2, "digest": spec(2).digest, "commit": "c" * 40,
    }  # fmt: skip


def test_any_other_answer_is_a_no_with_what_was_said(here: Town, service: Service) -> None:
    service.headers["location"] = f"{service.url}/hooks/other"
    for status in (302, 409, 500):
        service.answers["/hooks/backup"] = status, b"not today"
        outcome = called(here, service)
        said = f"{service.url}/hooks/backup answered {status} not today"
        assert outcome == outcomes.Failed(said)
    assert [path for _, path, _, _ in service.asked] == ["/hooks/backup"] * 3
    assert told(here) == []


def test_git_cannot_have_an_address_called_that_the_configuration_does_not_list(
    here: Town, service: Service
) -> None:
    for path in ("/admin", "/hooks/../admin", "/hooksx"):
        outcome = called(here, service, path)
        assert isinstance(outcome, outcomes.Failed)
        assert "is below no [[reconciler.hooks]] address" in outcome.detail
    assert service.asked == []


def test_the_loop_waits_for_a_yes_and_goes_back_for_a_no(tmp_path: Path, service: Service) -> None:
    publisher = Publisher()
    allowed = f'[[reconciler.hooks]]\naddress = "{service.url}/hooks"\n'
    at = "{{name: {0}, http: {{url: '{1}/hooks/{0}', timeout: 60s}}, attempts: 1}}"
    before, after, fail = (at.format(name, service.url) for name in ("backup", "smoke", "page"))
    hooks = f"  hooks: {{preSync: [{before}], postSync: [{after}], syncFail: [{fail}]}}\n"
    with town(tmp_path, publisher, allowed) as here:
        for version in (1, 2):
            here.publish(version, publisher)

        def asked(version: int) -> None:
            text = manifest(version, here.digests[version]) + hooks
            here.origin.commit({DEPLOYMENT: text}, f"Serve version {version}")
            here.loop.hint()

        asked(1)
        until(here, lambda: bool(service.asked))
        assert here.hosts["edge-1"].instances == {}
        for hook in ("backup", "smoke", "page"):
            service.answers[f"/hooks/{hook}"] = 200, b""
        until(here, lambda: len(told(here)) == 2)
        here.settle()
        service.answers["/hooks/smoke"] = 500, b"wrong answers"
        asked(2)
        until(here, lambda: len(told(here)) == 4)
        here.settle()
        serving = here.serving()
        assert serving is not None
        assert serving.version == 1
        assert [entry.detail["hook"] for entry in told(here)] == [
            "backup",
            "smoke",
            "backup",
            "page",
        ]
        page = json.loads(service.asked[-1][2])
        assert page["data"]["reason"].endswith("/hooks/smoke answered 500 wrong answers")


def until(here: Town, so: Callable[[], bool]) -> None:
    """Tick until it is so; calls are made beside the loop."""
    end = time.monotonic() + 60
    while not so() and time.monotonic() < end:
        here.loop.tick()
        here.await_slow_work()
        time.sleep(0.02)
    assert so()
