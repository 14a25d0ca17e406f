"""The action `Call`: where a hook may be, what is posted, and what stands in the registry's log."""

import json
from collections.abc import Iterator
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
from tests.reconciler.town import Town, town
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
    state = here.loop.source.state(patience_s=10)
    assert state is not None
    why = Reason(Why.HOOK_DUE, "preSync hook backup has not answered yet")
    return here.loop.effects.perform(Call(spec(2), service.url + path, 5, RUN, why), state, {})


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


@pytest.mark.parametrize("status", [302, 409, 500])
def test_any_other_answer_is_a_no_with_what_was_said(
    here: Town, service: Service, status: int
) -> None:
    service.answers["/hooks/backup"] = status, b"not today"
    service.headers["location"] = f"{service.url}/hooks/other"
    outcome = called(here, service)
    assert outcome == outcomes.Failed(f"{service.url}/hooks/backup answered {status} not today")
    assert len(service.asked) == 1
    assert told(here) == []


@pytest.mark.parametrize("path", ["/admin", "/hooks/../admin", "/hooksx"])
def test_git_cannot_have_an_address_called_that_the_configuration_does_not_list(
    here: Town, service: Service, path: str
) -> None:
    outcome = called(here, service, path)
    assert isinstance(outcome, outcomes.Failed)
    assert outcome.detail.endswith("is below no [[reconciler.hooks]] address of the configuration")
    assert service.asked == []
