"""Retention, holds and erasure over HTTP, and the thread that does it without being asked."""

import time
from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest

from registry.api.server import Server
from registry.core.retention import Rule
from registry.settings import Retention, Settings
from registry.usecases import transfers
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.registry.keeping import deploy, digests_of, make_older, publish_some, stored
from tests.registry.publishing import Publisher

Open = Callable[..., httpx2.Client]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, retention=Retention(rules=(Rule("*", keep_last=1),)))


@pytest.fixture
def served(server: Server, alice: Publisher) -> Registry:
    """Three old versions behind the server, the first of which is deployed; and stray bytes."""
    registry: Registry = server.app.state.registry
    transfers.put(registry, b"stray")
    publish_some(registry, alice, 3)
    deploy(registry, 1)
    return registry


@pytest.fixture
def root(client_of: Open) -> httpx2.Client:
    return client_of(Role.ADMIN, "root")


def test_a_plan_is_a_dry_run_and_applying_it_does_what_it_said(
    served: Registry, root: httpx2.Client
) -> None:
    planned = root.post("/v1/retention/plan").json()
    assert [one["version"] for one in planned["expiring"]] == [2]
    assert planned["expiring"][0]["reason"] == "rule '*': 2nd newest, keep_last = 1"
    assert planned["kept"] == {"deployed": 1, "newest": 1}
    assert planned["sweep"]["condemned"]["count"] == 1
    assert len(stored(served)) == 5
    applied = root.post("/v1/retention/apply", json={"graceHours": 0}).json()
    assert applied["expiring"] == planned["expiring"]
    assert applied["sweep"]["removed"]["count"] == 2
    assert stored(served) == digests_of(1) | digests_of(3)
    gone = root.get("/v1/models/digits/versions/2/bundle")
    assert (gone.status_code, gone.json()["code"]) == (410, "gone")
    assert root.get("/v1/models/digits/versions/2").json()["status"] == "expired"


def test_a_hold_is_placed_listed_in_pages_and_released(
    served: Registry, root: httpx2.Client, client_of: Open
) -> None:
    for version in (1, 2, None):
        new = {"model": "digits", "version": version, "reason": f"case {version}"}
        assert root.post("/v1/holds", json=new).status_code == 201
    auditor = client_of(Role.AUDITOR, "kpmg")
    page = auditor.get("/v1/holds", params={"maxResults": 2}).json()
    rest = auditor.get("/v1/holds", params={"pageToken": page["nextPageToken"]}).json()
    found = [*page["holds"], *rest["holds"]]
    assert [one["version"] for one in found] == [1, 2, None]
    assert rest["nextPageToken"] is None
    assert found[0]["placedBy"] == "admin:root"
    refused = root.post("/v1/models/digits/versions/2/erase", json={"reason": "DSR"})
    assert (refused.status_code, "legal hold" in refused.json()["detail"]) == (409, True)
    for one in found:
        done = root.post(f"/v1/holds/{one['id']}/release", json={"reason": "settled"})
        assert done.json()["releasedReason"] == "settled"
    assert auditor.get("/v1/holds").json()["holds"] == []
    every = auditor.get("/v1/holds", params={"withReleased": True}).json()["holds"]
    assert len(every) == 3


def test_an_erased_version_answers_410_and_its_document_is_a_tombstone(
    served: Registry, root: httpx2.Client
) -> None:
    before = root.get("/v1/models/digits/versions/2").json()
    done = root.post("/v1/models/digits/versions/2/erase", json={"reason": "DSR 7"})
    assert done.status_code == 200
    assert done.json()["removedBlobs"] == 1
    after = root.get("/v1/models/digits/versions/2").json()
    assert (after["status"], after["digest"]) == ("erased", before["digest"])
    assert root.get("/v1/models/digits/versions/2/bundle").status_code == 410
    assert root.get(f"/v1/blobs/{before['variants'][0]['files'][0]['digest']}").status_code in (
        200,
        404,
    )
    blocked = root.post("/v1/models/digits/erase", json={"reason": "DSR 8"})
    assert (blocked.status_code, blocked.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize("role", [Role.PUBLISHER, Role.AUDITOR, Role.RECONCILER, Role.HOST])
def test_only_admins_let_go_hold_and_erase(served: Registry, client_of: Open, role: Role) -> None:
    client = client_of(role, "somebody")
    for path in (
        "/v1/retention/plan",
        "/v1/retention/apply",
        "/v1/holds",
        "/v1/holds/1/release",
        "/v1/models/digits/versions/1/erase",
        "/v1/models/digits/erase",
    ):
        assert client.post(path, json={"reason": "x"}).status_code == 403
    assert client.get("/v1/holds").status_code == (200 if role is Role.AUDITOR else 403)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/retention/apply", {"graceHours": -1}),
        ("/v1/retention/plan", {"grace": 1}),
        ("/v1/holds", {"model": "digits"}),
        ("/v1/holds", {"model": "digits", "version": 0, "reason": "x"}),
        ("/v1/holds", {"model": "digits", "reason": "\x00"}),
        ("/v1/models/digits/versions/1/erase", {}),
        ("/v1/models/digits/versions/1/erase", {"reason": " "}),
    ],
)
def test_a_wish_without_sense_is_refused(
    served: Registry, root: httpx2.Client, path: str, body: dict[str, object]
) -> None:
    assert root.post(path, json=body).status_code == 422


def test_the_registry_keeps_itself_clean_where_it_is_told_to(
    settings: Settings, alice: Publisher
) -> None:
    often = replace(settings.retention, every_hours=0.2 / 3600, grace_hours=0)
    alice.list_in(settings.publishers_file)
    running = Server(replace(settings, retention=often))
    registry = running.app.state.registry
    publish_some(registry, alice, 2)
    make_older(registry, days=2)
    running.start()
    deadline = time.monotonic() + 60
    while stored(registry) != digests_of(2) and time.monotonic() < deadline:
        time.sleep(0.05)
    found = stored(registry)
    running.stop()
    assert found == digests_of(2)
