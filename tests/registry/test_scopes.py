"""Callers who may act on some models only: every route, every dialect, by name and by project."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from registry.api import scoping as routes
from registry.api.access import ALLOWED
from registry.api.scoping import Naming
from registry.api.server import Server
from registry.core.identity import Caller, Grant, Identity
from registry.core.scope import EVERYTHING, Scope
from registry.usecases import access, annotate, publish
from registry.usecases.access import Role, Wish
from tests.registry.conftest import ROOT
from tests.registry.publishing import ALICE, Publisher, digest_of, onnx_model, store

RISK = Scope(models=("risk-*",))
MLFLOW = "/api/2.0/mlflow"
FILES = {"model.onnx": onnx_model()}
Scoped = Callable[[Role, Scope], httpx2.Client]


@pytest.fixture
def scoped(server: Server) -> Iterator[Scoped]:
    """A client with a token for some models, the same one each time."""
    opened: dict[tuple[Role, Scope], httpx2.Client] = {}

    def open_client(role: Role, scope: Scope) -> httpx2.Client:
        if (role, scope) not in opened:
            wish = Wish(role, "somebody", scope)
            token = access.mint_wish(server.app.state.registry, wish, ROOT)
            headers = {"Authorization": f"Bearer {token}"}
            client = httpx2.Client(base_url=server.addresses[0], headers=headers, timeout=60)
            opened[role, scope] = client
        return opened[role, scope]

    yield open_client
    for client in opened.values():
        client.close()


@pytest.fixture
def two_models(server: Server, alice: Publisher) -> None:
    """`fraud`, in the project payments, and `risk-eu`, each with a version."""
    registry = server.app.state.registry
    store(registry, FILES)
    annotate.create_model(registry, "fraud", annotate.Edit(project="payments"), ALICE)
    for model in ("fraud", "risk-eu"):
        publish.publish(registry, alice.draft(FILES, model=model), ALICE)


def role_for(route: str) -> Role:
    return Role.ADMIN if Role.ADMIN in ALLOWED[route] else min(ALLOWED[route])


def status_of(client: httpx2.Client, route: str, name: str) -> int:
    method, path = route.split(" ")
    place = re.sub(r"\{digest\}", "sha256:" + "0" * 64, path)
    place = re.sub(r"\{(version|index)\}", "1", place).replace("{upload}", "0" * 32)
    place = place.replace("{name}", name).replace("{path}", f"{name}/x")
    with client.stream(method, re.sub(r"\{\w+\}", "x", place)) as answer:
        return answer.status_code


@pytest.mark.parametrize("naming", [Naming.PATH, Naming.ARTIFACT])
def test_a_model_outside_the_scope_is_closed_on_every_route_that_names_one(
    scoped: Scoped, naming: Naming
) -> None:
    walked = 0
    for route in ALLOWED:
        if routes.naming(route) is naming:
            client = scoped(role_for(route), RISK)
            assert status_of(client, route, "fraud") == 403, route
            assert status_of(client, route, "risk-eu") != 403, route
            walked += 1
    assert walked > {Naming.PATH: 25, Naming.ARTIFACT: 3}[naming]


def test_what_is_about_all_models_is_closed_to_whoever_may_act_on_some(scoped: Scoped) -> None:
    about_all = [route for route in ALLOWED if routes.naming(route) is Naming.ALL]
    assert "POST /v1/tokens" in about_all
    assert "POST /v1/retention/apply" in about_all
    for route in about_all:
        assert status_of(scoped(role_for(route), RISK), route, "risk-eu") == 403, route


def test_every_mlflow_route_that_names_a_model_in_its_body_obeys_the_scope(
    scoped: Scoped, two_models: None
) -> None:
    client, walked = scoped(Role.ADMIN, RISK), 0
    for route in ALLOWED:
        if routes.naming(route) is Naming.BODY and MLFLOW in route:
            method, path = route.split(" ")
            named = {"name": "fraud", "version": "1", "new_name": "risk-x", "key": "k"}
            way: dict[str, Any] = {"params" if method == "GET" else "json": named}
            answer = client.request(method, path, **way)
            assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
            walked += 1
    assert walked > 15


def test_a_name_that_is_said_as_a_number_is_the_same_name(scoped: Scoped) -> None:
    path = f"{MLFLOW}/registered-models/create"
    assert scoped(Role.PUBLISHER, RISK).post(path, json={"name": 7}).status_code == 403


def test_a_publisher_of_some_models_touches_no_other(
    scoped: Scoped, two_models: None, alice: Publisher
) -> None:
    client = scoped(Role.PUBLISHER, RISK)
    body = alice.body(FILES)
    assert client.post("/v1/models/fraud/versions", json=body).status_code == 403
    refused = client.patch("/v1/models/fraud", json={"owner": "me"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "risk-*" in refused.json()["detail"]
    assert client.post("/v1/models", json={"name": "fraud-2"}).status_code == 403
    assert client.post("/v1/models", json={"name": "risk-us"}).status_code == 201
    assert client.patch("/v1/models/risk-us", json={"owner": "me"}).status_code == 200


def test_lists_show_only_what_one_may_read(scoped: Scoped, two_models: None) -> None:
    client = scoped(Role.VIEWER, RISK)
    assert [one["name"] for one in client.get("/v1/models").json()["models"]] == ["risk-eu"]
    found = client.get("/v1/versions", params={"filter": "version = 1"}).json()["versions"]
    assert [one["model"] for one in found] == ["risk-eu"]
    assert client.get("/v2/_catalog").json()["repositories"] == ["risk-eu"]
    models = client.get(f"{MLFLOW}/registered-models/search").json()["registered_models"]
    assert [one["name"] for one in models] == ["risk-eu"]
    versions = client.get(f"{MLFLOW}/model-versions/search").json()["model_versions"]
    assert [one["name"] for one in versions] == ["risk-eu"]
    page = client.get("/").text
    assert "/models/risk-eu" in page
    assert "/models/fraud" not in page.partition("log")[0]


def test_a_project_covers_the_models_that_are_in_it(scoped: Scoped, two_models: None) -> None:
    client = scoped(Role.PUBLISHER, Scope(projects=("pay*",)))
    assert client.get("/v1/models/fraud").status_code == 200
    assert client.get("/v1/models/risk-eu").status_code == 403
    assert [one["name"] for one in client.get("/v1/models").json()["models"]] == ["fraud"]
    assert client.get("/v2/_catalog").json()["repositories"] == ["fraud"]
    new = {"name": "refunds", "project": "payments"}
    assert client.post("/v1/models", json=new).status_code == 201
    assert client.get("/v1/models/refunds").json()["project"] == "payments"
    assert client.post("/v1/models", json={"name": "other"}).status_code == 403


def test_nobody_takes_a_model_into_a_project_of_their_own(scoped: Scoped, two_models: None) -> None:
    client = scoped(Role.PUBLISHER, RISK)
    taken = client.patch("/v1/models/risk-eu", json={"project": "payments"})
    assert taken.status_code == 403
    everywhere = scoped(Role.PUBLISHER, EVERYTHING)
    moved = everywhere.patch("/v1/models/risk-eu", json={"project": "payments"})
    assert moved.json()["project"] == "payments"


def test_deployments_are_shown_with_their_models(scoped: Scoped, two_models: None) -> None:
    admin = scoped(Role.ADMIN, EVERYTHING)
    for name, model in (("one", "fraud"), ("two", "risk-eu")):
        status = {"desired": {"model": model, "version": 1}}
        assert admin.put(f"/v1/deployments/production/{name}", json=status).status_code == 204
    viewer = scoped(Role.VIEWER, RISK)
    shown = viewer.get("/v1/deployments").json()["deployments"]
    assert [one["name"] for one in shown] == ["two"]
    assert viewer.get("/v1/deployments/production/one").status_code == 403
    assert viewer.get("/v1/deployments/production/two").status_code == 200


def test_no_blob_is_mounted_from_a_repository_that_one_may_not_read(
    scoped: Scoped, two_models: None
) -> None:
    client = scoped(Role.PUBLISHER, RISK)
    asked = {"mount": digest_of(FILES["model.onnx"]), "from": "fraud"}
    assert client.post("/v2/risk-eu/blobs/uploads/", params=asked).status_code == 403
    own = {"mount": digest_of(FILES["model.onnx"]), "from": "risk-eu"}
    assert client.post("/v2/risk-us/blobs/uploads/", params=own).status_code == 201


@pytest.mark.parametrize(
    "source",
    ["models:/fraud/1", "mlflow-artifacts:/models/fraud/1", "mlflow-artifacts:/fraud/candidate",
     "runs:/0123456789abcdef0123456789abcdef/model"],
)  # fmt: skip
def test_no_version_is_registered_from_what_one_may_not_read(
    scoped: Scoped, two_models: None, source: str
) -> None:
    client = scoped(Role.PUBLISHER, RISK)
    body = {"name": "risk-eu", "source": source}
    assert client.post(f"{MLFLOW}/model-versions/create", json=body).status_code == 403


def test_files_are_staged_below_the_name_of_a_model_in_the_scope(scoped: Scoped) -> None:
    client = scoped(Role.PUBLISHER, RISK)
    tree = "/api/2.0/mlflow-artifacts/artifacts"
    assert client.put(f"{tree}/risk-eu/candidate/model.onnx", content=b"x").status_code == 200
    assert client.put(f"{tree}/fraud/candidate/model.onnx", content=b"x").status_code == 403
    assert client.delete(f"{tree}/fraud/candidate").status_code == 403
    assert client.get(tree, params={"path": "fraud/candidate"}).status_code == 403


def test_a_reporter_tells_only_of_models_in_the_scope(scoped: Scoped) -> None:
    client = scoped(Role.RECONCILER, RISK)
    told = {"id": "1", "kind": "deployed", "model": "fraud"}
    assert client.post("/v1/events", json=told).status_code == 403
    assert client.post("/v1/events", json={"id": "2", "kind": "deployed"}).status_code == 403
    assert client.post("/v1/events", json=told | {"model": "risk-eu"}).status_code == 201


@pytest.mark.parametrize("glob", ["[a-z]*", "risk-%", "Risk", "", "risk-eu;drop", "a" * 129])
def test_a_scope_is_made_of_globs_of_names_and_nothing_else(scoped: Scoped, glob: str) -> None:
    admin = scoped(Role.ADMIN, EVERYTHING)
    new = {"role": "publisher", "name": "ci", "models": [glob]}
    assert admin.post("/v1/tokens", json=new).status_code == 422


def test_a_token_says_what_it_is_good_for(scoped: Scoped) -> None:
    admin = scoped(Role.ADMIN, EVERYTHING)
    new = {"role": "publisher", "name": "risk-ci", "models": ["risk-*"], "expiresIn": 60}
    token = admin.post("/v1/tokens", json=new).json()["token"]
    listed = admin.get("/v1/tokens").json()["tokens"]
    shown = next(one for one in listed if one["name"] == "risk-ci")
    assert (shown["models"], shown["projects"]) == (["risk-*"], [])
    assert shown["expiresAt"] is not None
    me = admin.get("/v1/whoami", headers={"Authorization": f"Bearer {token}"}).json()
    assert me["grants"] == [{"role": "publisher", "models": ["risk-*"], "projects": []}]
    assert "POST /v1/models/{name}/versions" in me["routes"]
    assert "POST /v1/tokens" not in me["routes"]


def test_of_several_roles_the_one_that_fits_acts_on_what_it_covers() -> None:
    both = Identity("p-1", (Grant(Role.VIEWER), Grant(Role.PUBLISHER, RISK)))
    assert both.acting(frozenset({Role.PUBLISHER})) == Caller(Role.PUBLISHER, "p-1", RISK)
    reading = both.acting(frozenset({Role.VIEWER, Role.PUBLISHER}))
    assert reading is not None
    assert (reading.role, reading.scope.is_everything) == (Role.VIEWER, True)
    assert both.acting(frozenset({Role.ADMIN})) is None
    assert Identity("p-1", ()).acting(frozenset(Role)) is None


def test_an_empty_scope_covers_nothing() -> None:
    assert not Scope().covers("fraud", "payments")
    assert not Scope(projects=("*",)).covers("fraud")
    assert Scope(projects=("*",)).covers("fraud", "payments")
