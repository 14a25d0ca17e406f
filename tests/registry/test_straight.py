"""Routes that are called straight: each answers, to the byte, what FastAPI's own way answers."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from registry.api import straight
from registry.api.access import ALLOWED
from registry.api.server import Server
from registry.usecases.access import Role
from tests.registry.publishing import Publisher, onnx_model, publish

FILES = {"model.onnx": onnx_model()}
PLACE = "/v1/models/digits/versions"
JSON = {"Content-Type": "application/json"}
ASKED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", f"{PLACE}/1", {}),
    ("GET", f"{PLACE}/1?what=else", {}),
    ("GET", f"{PLACE}/2", {}),
    ("GET", f"{PLACE}/one", {}),
    ("GET", f"{PLACE}/{2**63}", {}),
    ("GET", "/v1/models/di%2Fgits/versions/1", {}),
    ("GET", PLACE, {}),
    ("GET", f"{PLACE}?maxResults=0&pageToken=x", {}),
    ("GET", f"{PLACE}/1/bundle", {}),
    ("GET", f"{PLACE}/1/bundle?variant=other", {}),
    ("GET", "/v1/versions?filter=name%3D'digits'&orderBy=created_at", {}),
    ("GET", "/v1/versions?filter=nonsense", {}),
    ("GET", "/v1/versions?unknown=1", {}),
    ("HEAD", f"{PLACE}/1", {}),
    ("PUT", f"{PLACE}/1", {}),
    ("POST", PLACE, {}),
    ("POST", PLACE, {"json": {}}),
    ("POST", PLACE, {"json": {"format": 1, "files": 2, "unknown": 3}}),
    ("POST", PLACE, {"json": []}),
    ("POST", PLACE, {"content": b"{}"}),
    ("POST", PLACE, {"content": b"", "headers": JSON}),
    ("POST", PLACE, {"content": b'{"a": ', "headers": JSON}),
    ("POST", PLACE, {"content": b'"\xff"', "headers": JSON}),
    ("POST", PLACE, {"content": b"[" * 100_000, "headers": JSON}),
    ("POST", PLACE, {"content": b" " * 300_000, "headers": JSON}),
    ("POST", PLACE, {"content": b"{}", "headers": {"Content-Type": "text/plain"}}),
)


def answers(client: httpx2.Client) -> list[tuple[int, dict[str, str], bytes]]:
    """Of all that is asked, without what is never the same twice."""
    found = []
    for method, path, body in ASKED:
        answer = client.request(method, path, **body)
        headers = {key: value for key, value in answer.headers.items() if key != "date"}
        content = answer.content.replace(headers.pop("request-id").encode(), b"")
        found.append((answer.status_code, headers, content))
    return found


@pytest.mark.parametrize("role", [Role.PUBLISHER, Role.HOST, None])
def test_a_straight_route_answers_what_it_answers_the_other_way(
    server: Server, client_of: Callable[..., httpx2.Client], alice: Publisher, role: Role | None
) -> None:
    body = alice.body(FILES, version=1)
    publisher = client_of(Role.PUBLISHER, "alice-ci")
    assert publish(publisher, alice, FILES, version=1).status_code == 201
    client = client_of(role, "asking")
    straight_on = server.app.straight
    assert straight_on is not None
    found = [*answers(client), publisher.post(PLACE, json=body).content]
    server.app.straight = None
    try:
        # A host's pull of a bundle goes into the log, and the proof that it gets grows with it.
        proven = [place for place, (_, path, _) in enumerate(ASKED) if path.endswith("/bundle")]
        other = [*answers(client), publisher.post(PLACE, json=body).content]
        for place in proven if role is Role.HOST else ():
            found[place], other[place] = found[place][0], other[place][0]
        assert found == other
    finally:
        server.app.straight = straight_on


def test_what_is_called_straight_is_guarded_counted_and_named_like_all_else(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    assert ALLOWED.keys() >= straight.ROUTES
    server.app.load()
    named = {f"{one.method} {one.route.path}" for part in server.app.parts for one in part.plain}
    assert named == straight.ROUTES
    client_of(Role.AUDITOR).post(PLACE, json={})
    client_of().get(f"{PLACE}/1")
    text = client_of().get("/metrics").text
    assert 'route="/v1/models/{name}/versions",status="403"} 1.0' in text
    assert 'route="/v1/models/{name}/versions/{version}",status="401"} 1.0' in text


def test_what_nobody_expected_is_answered_and_tells_nothing_of_its_inside(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    client = client_of(Role.PUBLISHER)
    assert client.get(f"{PLACE}/1").status_code == 404
    pace = server.app.state.pace
    del server.app.state.pace
    answer = client.get(f"{PLACE}/1")
    server.app.state.pace = pace
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "pace" not in answer.text
    # The server ends a connection on which that happened.
    assert client_of(Role.PUBLISHER).get(f"{PLACE}/1").status_code == 404
