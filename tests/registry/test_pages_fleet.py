"""The fleet's pages: counted, filtered and paginated on the server, each with its JSON twin."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from registry.api.server import Server
from registry.core import age
from registry.core.scope import EVERYTHING, Scope
from registry.db import migrate
from registry.db.fleet import Wanted
from registry.usecases import access, fleet, fleet_hosts, hosts, reports
from registry.usecases.access import Caller, Role
from registry.usecases.hosts import Identity
from registry.usecases.opening import Registry

RECONCILER = Caller(Role.RECONCILER, "loop")
ROOT = Caller(Role.ADMIN, "root")


@pytest.fixture
def auditor(client_of: Callable[..., httpx2.Client]) -> httpx2.Client:
    client = client_of(Role.AUDITOR, "eve")
    client.headers["Accept"] = "application/json"
    return client


def put(server: Server, name: str, *, health: str = "Healthy", model: str = "digits") -> None:
    document: dict[str, Any] = {
        "desired": {"model": model, "version": 1, "digest": "sha256:" + "a" * 64},
        "sync": {"status": "Synced"},
        "health": {"status": health, "reason": ""},
        "trust": {"status": "Verified"},
        "hosts": [
            {
                "host": "edge-1",
                "serving": {"model": model, "version": 1},
                "sync": "Synced",
                "health": health,
                "trust": "Verified",
            }
        ],
    }
    reports.set_status(
        server.app.state.registry,
        environment="production",
        name=name,
        document=document,
        by=RECONCILER,
    )


def names(found: dict[str, Any]) -> list[str]:
    return [one["name"] for one in found["deployments"]]


def test_the_overview_counts_what_the_last_reports_say(
    server: Server, auditor: httpx2.Client
) -> None:
    for number in range(3):
        put(server, f"d{number}")
    put(server, "d0", health="Degraded")
    found = auditor.get("/").json()
    assert found["total"] == 3
    health = next(tile for tile in found["tiles"] if tile["subject"] == "health")
    assert (health["good"], health["worst"]["word"]) == (2, "Degraded")
    assert [(one["status"]["word"], one["count"]) for one in health["counts"]] == [
        ("Degraded", 1),
        ("Healthy", 2),
    ]
    assert names({"deployments": found["attention"]}) == ["d0"]


def test_the_list_goes_on_page_by_page_the_worst_first(
    server: Server, auditor: httpx2.Client
) -> None:
    for number in range(60):
        put(server, f"d{number:02}", health="Degraded" if number == 59 else "Healthy")
    first = auditor.get("/deployments").json()
    second = auditor.get(first["nextPage"]).json()
    assert names(first)[:2] == ["d59", "d00"]
    assert len(names(first)) == 50
    assert sorted(names(first) + names(second)) == [f"d{number:02}" for number in range(60)]
    assert second["nextPage"] is None


def test_a_filter_holds_on_every_page_and_another_pages_token_does_not_fit(
    server: Server, auditor: httpx2.Client
) -> None:
    for number in range(55):
        put(server, f"d{number:02}")
    put(server, "sick", health="Degraded")
    assert names(auditor.get("/deployments?health=Degraded").json()) == ["sick"]
    assert names(auditor.get("/deployments?name=d1").json()) == [f"d{n}" for n in range(10, 20)]
    following = auditor.get("/deployments?health=Healthy").json()["nextPage"]
    assert "sick" not in names(auditor.get(following).json())
    assert auditor.get(following.replace("Healthy", "Degraded")).status_code == 422


def test_who_may_see_some_models_sees_and_counts_only_their_deployments(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    put(server, "ours", model="digits")
    put(server, "theirs", model="fraud")
    wish = access.Wish(Role.AUDITOR, "eve", scope=Scope(models=("dig*",)))
    token = access.mint_wish(server.app.state.registry, wish, by=ROOT)
    client = client_of()
    client.headers |= {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    assert client.get("/").json()["total"] == 1
    assert names(client.get("/deployments").json()) == ["ours"]
    assert client.get("/deployments/production/ours").status_code == 200
    assert client.get("/deployments/production/theirs").status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/", "/deployments", "/deployments/production/d0", "/hosts", "/hosts/edge-1", "/models",
        "/experiments", "/promotions", "/policies", "/log", "/log/entry/0",
    ],
)  # fmt: skip
def test_a_page_says_where_its_twin_is_and_the_twin_is_the_same_by_accept(
    server: Server, client_of: Callable[..., httpx2.Client], path: str
) -> None:
    put(server, "d0")
    client = client_of(Role.AUDITOR, "eve")
    page = client.get(path, headers={"Accept": "text/html,application/json;q=0.5"})
    assert page.headers["content-type"].startswith("text/html")
    address = page.text.split('rel="alternate" href="')[1].split('"')[0]
    twin, asked = client.get(address), client.get(path, headers={"Accept": "application/json"})
    assert twin.headers["content-type"] == asked.headers["content-type"] == "application/json"
    assert twin.json().keys() == asked.json().keys()


def test_a_page_that_is_not_there_is_not_found_for_people_and_programs(
    auditor: httpx2.Client,
) -> None:
    assert auditor.get("/deployments/production/none").status_code == 404
    assert auditor.get("/hosts/nobody").status_code == 404
    assert auditor.get("/log/entry/4711").status_code == 404


def test_a_host_shows_what_runs_there_until_that_is_no_more(
    server: Server, auditor: httpx2.Client
) -> None:
    put(server, "well")
    put(server, "sick", health="Degraded")
    (host,) = auditor.get("/hosts").json()["hosts"]
    assert (host["name"], host["count"], host["identity"]["word"]) == ("edge-1", 2, "by token")
    found = auditor.get("/hosts/edge-1").json()
    assert names(found) == ["sick", "well"]
    assert found["deployments"][0]["serving"] == {"model": "digits", "number": 1, "digest": ""}
    reports.drop_status(server.app.state.registry, environment="production", name="sick")
    assert names(auditor.get("/hosts/edge-1").json()) == ["well"]


def test_hosts_that_only_enrolled_stand_among_those_that_run_something(
    server: Server, auditor: httpx2.Client
) -> None:
    registry = server.app.state.registry
    recipient = age.Identity(bytes(range(32))).recipient
    with registry.database.writing() as session:
        for number in range(60):
            identity = Identity(f"h{number:02}", recipient)
            hosts.enrol(session, registry, identity, actor=ROOT.actor)
        session.commit()
    put(server, "d")
    hosts.revoke(registry, "h07", reason="sold", by=ROOT)
    first = auditor.get("/hosts").json()
    second = auditor.get(first["nextPage"]).json()
    listed = [one["name"] for one in first["hosts"] + second["hosts"]]
    assert listed == sorted(["edge-1", *(f"h{number:02}" for number in range(60))])
    words = {one["name"]: one["identity"]["word"] for one in first["hosts"]}
    assert (words["h07"], words["h08"]) == ("revoked", "enrolled")


def test_who_is_no_operator_and_no_auditor_sees_no_hosts(
    client_of: Callable[..., httpx2.Client],
) -> None:
    client = client_of(Role.PUBLISHER, "ci")
    assert client.get("/hosts").status_code == 403
    assert "/hosts" not in client.get("/", headers={"Accept": "text/html"}).text


def test_an_experiment_and_what_a_promotion_waits_for_are_found_by_name(
    server: Server, auditor: httpx2.Client
) -> None:
    put(server, "plain")
    trial = {
        "experiment": {"name": "recall", "deployment": "a/b", "state": "running"},
        "waiting": [{"code": "waiting_to_promote", "text": "the promotion p: not well yet"}],
    }
    reports.set_status(
        server.app.state.registry, environment="a", name="b", document=trial, by=RECONCILER
    )
    (one,) = auditor.get("/experiments").json()["experiments"]
    assert (one["name"], one["state"]["word"]) == ("recall", "running")
    ((_, text),) = auditor.get("/promotions").json()["waiting"]
    assert text == "the promotion p: not well yet"


def test_what_was_reported_before_there_were_counts_is_counted_too(registry: Registry) -> None:
    document: dict[str, Any] = {
        "health": {"status": "Missing"},
        "desired": {"model": "digits", "version": 1},
        "hosts": [{"host": "edge-9"}, {"host": "edge-9"}, {"host": 5}, "nonsense"],
    }
    reports.set_status(registry, environment="a", name="b", document=document, by=RECONCILER)
    reports.set_status(registry, environment="a", name="c", document={}, by=RECONCILER)
    migrate.to(registry.database, "0016")
    migrate.to_head(registry.database)
    assert [one.name for one in fleet_hosts.page(registry).items] == ["edge-9"]
    counted = fleet.glance(registry, EVERYTHING)
    assert counted.statuses["health"] == {"Missing": 1, "Unknown": 1}
    assert [row.name for row in fleet.page(registry, EVERYTHING, Wanted()).items] == ["b", "c"]
