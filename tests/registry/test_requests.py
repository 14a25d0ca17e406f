"""What people ask of deployments: kept with a reason, taken once, answered, or over in time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

import httpx2
import pytest

from registry import errors
from registry.core import asking, entries
from registry.core.asking import State, Verb
from registry.core.canonical import Json
from registry.db import tables_requests
from registry.usecases import log, reports, requests
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from registry.usecases.requests import Ended, Wanted

OLGA, LOOP = Caller(Role.OPERATOR, "olga"), Caller(Role.RECONCILER, "loop")
ID, OTHER = "0" * 32, "1" * 32
WANTED = Wanted(ID, "production", "digits", Verb.ROLLBACK, "support is flooded")
PULL = "https://git.example/acme/models/pulls/7"


def report(registry: Registry, name: str = "digits") -> None:
    desired: Json = {"model": "digits", "version": 2, "digest": "sha256:" + "a" * 64}
    document: dict[str, Json] = {"desired": desired, "hosts": [{"host": "edge-1"}]}
    reports.set_status(registry, environment="production", name=name, document=document, by=LOOP)


def told(registry: Registry) -> list[entries.Entry]:
    found = [entries.decode(leaf) for _, leaf in log.page(registry, start=0, limit=1000)[1]]
    return [one for one in found if one.deployment]


def test_a_request_is_taken_done_and_told_in_the_log(registry: Registry) -> None:
    report(registry)
    asked = requests.ask(registry, WANTED, OLGA)
    assert (asked.state, asked.asked_by) == (State.WAITING, "operator:olga")
    assert [one.id for one in requests.open_ones(registry)] == [ID]
    for _ in range(2):
        taken = requests.take(registry, ID, holder="east", by=LOOP)
        assert (taken.state, taken.taken_by) == (State.TAKEN, "reconciler:loop/east")
    for _ in range(2):
        done = requests.answer(
            registry, ID, holder="east", ended=Ended(State.DONE, "went back", PULL), by=LOOP
        )
        assert (done.state, done.address) == (State.DONE, PULL)
    assert requests.open_ones(registry) == []
    began, ended = told(registry)
    assert (began.kind, began.actor, began.reason) == (
        entries.Kind.REQUESTED, "operator:olga", "support is flooded",
    )  # fmt: skip
    assert (began.model, began.version, began.deployment) == ("digits", 2, "production/digits")
    assert (ended.kind, ended.actor) == (entries.Kind.REQUEST_ENDED, "reconciler:loop")
    assert ended.detail == {"request": ID, "asked": "rollback", "outcome": "done", "address": PULL}


class Ahead(datetime):
    """The clock before it was set right."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=12)


def test_one_is_open_at_a_time_also_where_the_clock_was_set_back(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(registry)
    with monkeypatch.context() as patched:
        patched.setattr(requests, "datetime", Ahead)
        for number in range(2, 8):
            one = replace(WANTED, id=f"{number:032x}")
            requests.ask(registry, one, OLGA)
            requests.take(registry, one.id, holder="east", by=LOOP)
            requests.answer(
                registry, one.id, holder="east", ended=Ended(State.DONE, "went back"), by=LOOP
            )
    requests.ask(registry, WANTED, OLGA)
    with pytest.raises(errors.Conflict, match="olga asked for a rollback already"):
        requests.ask(registry, replace(WANTED, id=OTHER), OLGA)


def test_asking_again_is_answered_the_same_when_the_deployment_has_gone(
    registry: Registry,
) -> None:
    report(registry)
    asked = requests.ask(registry, WANTED, OLGA)
    reports.drop_status(registry, environment="production", name="digits")
    assert requests.ask(registry, WANTED, OLGA).log_index == asked.log_index


def test_asking_twice_is_asking_once_and_one_has_to_end_before_the_next(
    registry: Registry,
) -> None:
    report(registry)
    first = requests.ask(registry, WANTED, OLGA)
    assert requests.ask(registry, WANTED, OLGA).log_index == first.log_index
    with pytest.raises(errors.Conflict, match="another request has this id"):
        requests.ask(registry, WANTED, Caller(Role.OPERATOR, "otto"))
    with pytest.raises(errors.Conflict, match="asked for a rollback already"):
        requests.ask(registry, Wanted(OTHER, "production", "digits", Verb.RETRY, "x"), OLGA)
    assert len(told(registry)) == 1


def test_of_two_reconcilers_one_takes_it_and_the_other_answers_nothing(registry: Registry) -> None:
    report(registry)
    requests.ask(registry, WANTED, OLGA)
    requests.take(registry, ID, holder="east", by=LOOP)
    with pytest.raises(errors.Conflict, match="taken by reconciler:loop/east"):
        requests.take(registry, ID, holder="west", by=LOOP)
    with pytest.raises(errors.Conflict):
        requests.answer(registry, ID, holder="west", ended=Ended(State.DONE, "me"), by=LOOP)


@pytest.mark.parametrize("is_taken", [False, True])
def test_what_nobody_takes_or_answers_is_over_in_time(registry: Registry, is_taken: bool) -> None:
    report(registry)
    requests.ask(registry, WANTED, OLGA)
    if is_taken:
        requests.take(registry, ID, holder="", by=LOOP)
    with registry.database.writing() as session:
        row = session.get(tables_requests.Request, ID)
        assert row is not None
        row.expires_at = datetime.now(UTC) - timedelta(seconds=1)
        session.commit()
    assert requests.open_ones(registry) == []
    (row,) = requests.of(registry, "production", "digits")
    said = "reconciler:loop took it and did not answer" if is_taken else "nobody took it"
    assert (row.state, row.answer) == (State.EXPIRED, f"its time is over: {said}")
    assert told(registry)[-1].detail["outcome"] == "expired"
    with pytest.raises(errors.Conflict, match="expired"):
        requests.take(registry, ID, holder="", by=LOOP)
    with pytest.raises(errors.Conflict, match="expired"):
        requests.answer(registry, ID, holder="", ended=Ended(State.DONE, "late"), by=LOOP)
    requests.ask(registry, Wanted(OTHER, "production", "digits", Verb.RETRY, "again"), OLGA)


def test_what_makes_no_sense_is_not_asked(registry: Registry) -> None:
    report(registry)
    for wanted, refusal in (
        (Wanted("x", "production", "digits", Verb.RETRY, "why"), errors.InvalidInput),
        (Wanted(ID, "production", "other", Verb.RETRY, "why"), errors.NotFound),
        (Wanted(ID, "production", "digits", Verb.RETRY, " "), errors.InvalidInput),
        (Wanted(ID, "production", "digits", Verb.RETRY, "why", 3), errors.InvalidInput),
        (Wanted(ID, "production", "digits", Verb.PROPOSE, "why"), errors.InvalidInput),
        (Wanted(ID, "production", "digits", Verb.ROLLBACK, "why", 0), errors.InvalidName),
    ):
        with pytest.raises(refusal):
            requests.ask(registry, wanted, OLGA)
    assert told(registry) == []


def test_an_answer_leads_nowhere_but_to_a_web_page(registry: Registry) -> None:
    report(registry)
    requests.ask(registry, WANTED, OLGA)
    requests.take(registry, ID, holder="", by=LOOP)
    for address in (
        "javascript:alert(1)",
        "//evil.example",
        "https://",
        "https://a\n",
        "ftp://a/b",
    ):
        with pytest.raises(errors.InvalidInput):
            asking.require_address(address)
        ended = Ended(State.DONE, "done", address)
        with pytest.raises(errors.InvalidInput):
            requests.answer(registry, ID, holder="", ended=ended, by=LOOP)
    assert requests.open_ones(registry)[0].state == State.TAKEN


def test_only_reconcilers_take_and_answer(client_of: Callable[..., httpx2.Client]) -> None:
    place = f"/v1/requests/{ID}"
    said = {"outcome": "done", "text": "x"}
    for role in (Role.OPERATOR, Role.PUBLISHER, Role.AGENT, Role.HOST, Role.AUDITOR):
        caller = client_of(role, "somebody")
        assert caller.get("/v1/requests").status_code == 403
        assert caller.post(f"{place}/take", json={}).status_code == 403
        assert caller.post(f"{place}/answer", json=said).status_code == 403
    loop = client_of(Role.RECONCILER, "loop")
    assert loop.get("/v1/requests").json() == {"requests": []}
    assert loop.post(f"{place}/take", json={}).status_code == 404
    assert loop.post(f"{place}/answer", json=said).status_code == 404
