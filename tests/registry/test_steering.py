"""Leases on hosts: one holder at a time, whatever the others do, and nothing by a former one."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Self

import httpx2
import pytest

from registry import errors
from registry.db import clock
from registry.usecases import reports, steering
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from registry.usecases.steering import Changed
from tests.registry.conftest import ROOT

BLUE, GREEN = "blue-1", "green-2"
WHOLE = ({"quarantined": []}, ["edge-1", "edge-2"])


def taken(registry: Registry, holder: str, *hosts: str, seconds: int = 60) -> dict[str, int]:
    return dict(steering.renew(registry, holder=holder, hosts=hosts, seconds=seconds).held)


def remember(registry: Registry, holder: str, **changed: steering.Changed) -> None:
    found = {f"production/{name}": change for name, change in changed.items()}
    steering.remember(registry, found, holder=holder, by=ROOT)


def starting(host: str, event: str = "one") -> reports.Event:
    return reports.Event(id=event, kind="starting", host=host, deployment="production/digits")


def test_a_host_is_whose_who_asks_first_until_the_lease_ends(registry: Registry) -> None:
    assert taken(registry, BLUE, "edge-1", "edge-2") == {"edge-1": 1, "edge-2": 1}
    granted = steering.renew(registry, holder=GREEN, hosts=["edge-2", "edge-3"], seconds=60)
    assert granted.held == {"edge-3": 1}
    assert granted.refused == {"edge-2": BLUE}
    assert granted.reconcilers == [BLUE, GREEN]


def test_a_lease_that_ended_goes_to_another_under_the_next_epoch(registry: Registry) -> None:
    taken(registry, BLUE, "edge-1", seconds=0)
    assert taken(registry, GREEN, "edge-1", seconds=0) == {"edge-1": 2}
    assert taken(registry, BLUE, "edge-1") == {"edge-1": 3}


def test_its_holder_renews_it_under_the_same_epoch_even_late(registry: Registry) -> None:
    taken(registry, BLUE, "edge-1", seconds=0)
    assert taken(registry, BLUE, "edge-1") == {"edge-1": 1}
    assert taken(registry, BLUE, "edge-1") == {"edge-1": 1}


class Ahead(datetime):
    """The clock of another replica."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=1)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_lease_lasts_as_long_for_a_replica_whose_clock_is_ahead(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken(registry, BLUE, "edge-1") == {"edge-1": 1}
    for module in (steering, reports, clock):
        monkeypatch.setattr(module, "datetime", Ahead)
    assert taken(registry, GREEN, "edge-1") == {}
    assert reports.record(registry, starting("edge-1"), ROOT, holder=BLUE).is_new


def test_what_is_not_asked_for_again_is_free(registry: Registry) -> None:
    taken(registry, BLUE, "edge-1", "edge-2")
    taken(registry, BLUE, "edge-2")
    assert taken(registry, GREEN, "edge-1", "edge-2") == {"edge-1": 2}


def test_who_leaves_holds_nothing_and_is_not_counted(registry: Registry) -> None:
    taken(registry, BLUE, "edge-1")
    steering.release(registry, holder=BLUE)
    granted = steering.renew(registry, holder=GREEN, hosts=["edge-1"], seconds=60)
    assert (granted.held, granted.reconcilers) == ({"edge-1": 2}, [GREEN])


def test_who_does_not_renew_is_not_counted(registry: Registry) -> None:
    taken(registry, BLUE, seconds=0)
    assert steering.renew(registry, holder=GREEN, hosts=[], seconds=60).reconcilers == [GREEN]


def test_of_many_who_ask_at_once_one_gets_each_host(registry: Registry) -> None:
    hosts = [f"edge-{number}" for number in range(150)]
    held: dict[str, dict[str, int]] = {}

    def ask(holder: str) -> None:
        held[holder] = taken(registry, holder, *hosts)

    threads = [threading.Thread(target=ask, args=(f"r-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(host for one in held.values() for host in one) == sorted(hosts)


def test_a_former_holder_can_announce_nothing(registry: Registry) -> None:
    taken(registry, BLUE, "edge-1", seconds=0)
    with pytest.raises(errors.Conflict, match="blue-1 has no lease on edge-1"):
        reports.record(registry, starting("edge-1"), ROOT, holder=BLUE)
    taken(registry, GREEN, "edge-1")
    with pytest.raises(errors.Conflict, match="has no lease"):
        reports.record(registry, starting("edge-1"), ROOT, holder=BLUE)
    assert reports.record(registry, starting("edge-1"), ROOT, holder=GREEN).is_new
    assert reports.record(registry, starting("edge-1", "two"), ROOT).is_new


def test_who_holds_a_host_says_what_is_remembered_there(registry: Registry) -> None:
    taken(registry, BLUE, "edge-1", "edge-2")
    remember(registry, BLUE, digits=Changed({"edge-1": {"a": 1}, "edge-2": {"b": 1}}, WHOLE))
    remember(registry, BLUE, digits=Changed({"edge-1": {"a": 2}, "edge-2": None}))
    wanted = {"hosts": {"edge-1": {"a": 2}}, "fleet": {"quarantined": []}}
    assert steering.rollouts(registry) == {"production/digits": wanted}
    remember(registry, BLUE, digits=Changed({"edge-1": None}, (None, [])))
    assert steering.rollouts(registry) == {}


@pytest.mark.parametrize(
    "late",
    [Changed({"edge-2": {"a": 2}}), Changed({"edge-2": None}), Changed({}, (None, ["edge-2"]))],
    ids=["changed", "forgotten", "whole"],
)
def test_a_former_holder_changes_nothing_that_is_remembered(
    registry: Registry, late: Changed
) -> None:
    taken(registry, BLUE, "edge-1", "edge-2")
    remember(registry, BLUE, digits=Changed({"edge-2": {"a": 1}}, WHOLE))
    taken(registry, BLUE, "edge-1")
    taken(registry, GREEN, "edge-2")
    before = steering.rollouts(registry)
    with pytest.raises(errors.Conflict, match="blue-1 has no lease on edge-2"):
        remember(registry, BLUE, fraud=Changed({"edge-1": {"a": 1}}), digits=late)
    assert steering.rollouts(registry) == before


def test_over_http_only_reconcilers_ask(client_of: Callable[..., httpx2.Client]) -> None:
    client = client_of(Role.RECONCILER)
    wanted = {"holder": BLUE, "hosts": ["edge-1"], "seconds": 60}
    answer = client.post("/v1/host-leases", json=wanted)
    assert answer.json() == {"held": {"edge-1": 1}, "refused": {}, "reconcilers": [BLUE]}
    whole = {"document": {"quarantined": []}, "targets": ["edge-1"]}
    change = {"production/digits": {"hosts": {"edge-1": {"a": 1}}, "fleet": whole}}
    kept = client.post("/v1/rollouts", json={"holder": BLUE, "rollouts": change})
    assert kept.status_code == 204
    known = {"hosts": {"edge-1": {"a": 1}}, "fleet": {"quarantined": []}}
    assert client.get("/v1/rollouts").json() == {"rollouts": {"production/digits": known}}
    event = {"id": "one", "kind": "starting", "host": "edge-2", "deployment": "production/digits"}
    told = client.post("/v1/events", json=event, headers={"plimsoll-holder": BLUE})
    assert (told.status_code, told.json()["code"]) == (409, "conflict")
    assert client.post("/v1/host-leases/release", json={"holder": BLUE}).status_code == 204
    for role in (Role.HOST, Role.PUBLISHER, Role.AUDITOR):
        assert client_of(role).post("/v1/host-leases", json=wanted).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [{"holder": "Blue One"}, {"hosts": ["../edge"]}, {"hosts": ["owner"]}, {"seconds": 1}],
    ids=["holder", "host", "reserved", "seconds"],
)
def test_a_wrong_wish_is_refused(
    client_of: Callable[..., httpx2.Client], wrong: dict[str, object]
) -> None:
    client = client_of(Role.RECONCILER)
    wanted = {"holder": BLUE, "hosts": ["edge-1"], "seconds": 60, **wrong}
    assert client.post("/v1/host-leases", json=wanted).status_code == 422
