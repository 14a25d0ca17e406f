"""Searches and lists over HTTP: their documents, their pages, and what is refused."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from registry.api.server import Server
from registry.usecases.access import Role
from tests.registry import catalogues
from tests.registry.publishing import Publisher, onnx_model, publish


@pytest.fixture
def filled(server: Server, client: httpx2.Client) -> httpx2.Client:
    catalogues.fill(server.app.state.registry, seed=1, count=30)
    return client


def pages(client: httpx2.Client, path: str, name: str, **asked: object) -> list[list[Any]]:
    """What each page of a list holds."""
    found, token = [], ""
    while True:
        more = {"pageToken": token} if token else {}
        answer = client.get(path, params={**asked, **more})
        assert answer.status_code == 200, answer.text
        found.append(answer.json()[name])
        token = answer.json()["nextPageToken"]
        if not token:
            return found


def test_versions_everywhere_come_newest_first_page_by_page(filled: httpx2.Client) -> None:
    found = pages(filled, "/v1/versions", "versions", maxResults=7)
    assert [len(page) for page in found] == [7, 7, 7, 7, 2]
    names = [(one["model"], one["version"]) for page in found for one in page]
    assert len(set(names)) == 30


def test_a_search_shows_the_version_as_it_is_shown_alone_but_for_its_evidence(
    client: httpx2.Client, alice: Publisher
) -> None:
    publish(client, alice, {"model.onnx": onnx_model()})
    path = "/v1/models/digits/versions/1"
    client.patch(path, json={"tags": {"team": "risk"}})
    alone = client.get(path).json()
    found = client.get("/v1/versions", params={"filter": "tags.team = 'risk'"}).json()
    # In a list evidence is not looked up: null, which is not the same as none.
    assert alone["evidence"] == []
    listed = [alone | {"evidence": None}]
    assert found == {"versions": listed, "nextPageToken": None}
    assert client.get("/v1/models/digits").json()["versions"] == listed
    assert client.get("/v1/models/digits/versions").json()["versions"] == listed


def test_a_models_versions_come_by_number(filled: httpx2.Client) -> None:
    found = pages(filled, "/v1/models/alpha/versions", "versions", maxResults=2)
    numbers = [one["version"] for page in found for one in page]
    assert numbers == sorted(numbers, reverse=True)
    assert {one["model"] for page in found for one in page} == {"alpha"}
    rising = filled.get("/v1/models/alpha/versions", params={"orderBy": "version ASC"}).json()
    assert [one["version"] for one in rising["versions"]] == numbers[::-1]
    assert filled.get("/v1/models/nobody/versions").status_code == 404


def test_a_models_document_leads_to_the_versions_it_does_not_show(
    server: Server, client: httpx2.Client
) -> None:
    registry = server.app.state.registry
    catalogues.fill(registry, seed=1, count=0)
    catalogues.add_plain(registry, 103, tags={})
    model = client.get("/v1/models/alpha").json()
    assert (len(model["versions"]), model["versionCount"]) == (100, 103)
    following = client.get(
        "/v1/models/alpha/versions", params={"pageToken": model["nextPageToken"]}
    ).json()
    assert [one["version"] for one in following["versions"]] == [3, 2, 1]


def test_models_come_by_name_with_their_newest_version(filled: httpx2.Client) -> None:
    found = pages(filled, "/v1/models", "models", maxResults=3)
    assert [[one["name"] for one in page] for page in found] == [
        ["alpha", "beta", "gamma"],
        ["gammas"],
    ]
    alpha = found[0][0]
    newest = filled.get("/v1/models/alpha/versions", params={"maxResults": 1}).json()["versions"][0]
    shown = ("version", "status", "digest", "format", "createdAt")
    assert alpha["newest"] == {name: newest[name] for name in shown}
    assert alpha["versionCount"] == filled.get("/v1/models/alpha").json()["versionCount"]
    last = filled.get("/v1/models", params={"filter": "name LIKE 'gamma_'"}).json()["models"]
    assert [one["name"] for one in last] == ["gammas"]


def test_orders_may_come_in_one_parameter_or_in_several(filled: httpx2.Client) -> None:
    one = filled.get("/v1/versions?orderBy=name,version DESC").json()["versions"]
    several = filled.get("/v1/versions?orderBy=name&orderBy=version DESC").json()["versions"]
    assert one == several != filled.get("/v1/versions").json()["versions"]


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v1/versions?filter=tags.team", "column 1"),
        ("/v1/versions?filter=name = 'a' OR name = 'b'", "column 12"),
        ("/v1/versions?orderBy=description", "order, column 1"),
        ("/v1/versions?filter=tags.k = '%00'", "column 11"),
        ("/v1/models?filter=metrics.f1 > 1", "column 1"),
        ("/v1/models?pageToken=AAAA", "page token"),
        ("/v1/models?pageToken=%ff", "page token"),
        ("/v1/models?maxResults=0", "maxResults"),
        ("/v1/models?maxResults=1001", "maxResults"),
        ("/v1/versions?fliter=x", "fliter"),
        (f"/v1/versions?filter={'x' * 4001}", "filter"),
        ("/v1/deployments?pageToken=x", "page token"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_place(
    client: httpx2.Client, path: str, hint: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert hint in answer.json()["detail"]
    assert answer.json()["fix"]


def test_deployments_and_moves_of_an_alias_come_in_pages(
    client: httpx2.Client, client_of: Callable[..., httpx2.Client], alice: Publisher
) -> None:
    reconciler = client_of(Role.RECONCILER, "main")
    for environment in ("b", "a"):
        for name in ("x", "y", "z"):
            reconciler.put(f"/v1/deployments/{environment}/{name}", json={"model": "digits"})
    found = pages(client, "/v1/deployments", "deployments", maxResults=4)
    assert [[(one["environment"], one["name"]) for one in page] for page in found] == [
        [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x")],
        [("b", "y"), ("b", "z")],
    ]
    for _ in range(2):
        publish(client, alice, {"model.onnx": onnx_model()})
    path = "/v1/models/digits/aliases/champion"
    for number in (1, 2, 1, 2):
        client.put(path, json={"version": number, "reason": "to and fro"})
    moves = pages(client, path, "history", maxResults=3)
    assert [[one["version"] for one in page] for page in moves] == [[2, 1, 2], [1]]
    other = client.get(path, params={"maxResults": 1}).json()["nextPageToken"]
    assert client.get("/v1/deployments", params={"pageToken": other}).status_code == 422
