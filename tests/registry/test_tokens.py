"""Tokens: listed without their secrets, revoked at once and for ever."""

from collections.abc import Callable

import httpx2

from registry.api.server import Server
from registry.usecases import catalogue
from registry.usecases.access import Role


def id_of(client: httpx2.Client) -> str:
    return client.headers["Authorization"].split("_")[1]


def test_a_revoked_token_is_refused_from_the_next_request_on(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    admin, eve = client_of(Role.ADMIN, "root"), client_of(Role.AUDITOR, "eve")
    assert eve.get("/v1/trust").status_code == 200
    path = f"/v1/tokens/{id_of(eve)}"
    for _ in range(2):
        assert admin.delete(path, params={"reason": "left the team"}).status_code == 204
    refused = eve.get("/v1/trust")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    entry = catalogue.latest(server.app.state.registry, limit=1)[0].entry
    assert (entry.kind, entry.reason) == ("token_revoked", "left the team")
    assert entry.detail["id"] == id_of(eve)


def test_all_tokens_are_listed_page_by_page_without_their_secrets(
    client_of: Callable[..., httpx2.Client],
) -> None:
    admin = client_of(Role.ADMIN, "root")
    others = [client_of(Role.HOST, f"edge-{number}") for number in range(5)]
    seen: list[str] = []
    page = {"nextPageToken": ""}
    while (following := page.get("nextPageToken")) is not None:
        answer = admin.get("/v1/tokens", params={"maxResults": 2, "pageToken": following})
        page = answer.json()
        assert len(page["tokens"]) <= 2
        assert not any(other.headers["Authorization"][-20:] in answer.text for other in others)
        seen += [token["id"] for token in page["tokens"]]
    assert len(seen) == len(set(seen))
    assert {id_of(client) for client in (admin, *others)} < set(seen)


def test_only_an_admin_sees_and_revokes_tokens(client_of: Callable[..., httpx2.Client]) -> None:
    for role in set(Role) - {Role.ADMIN}:
        other = client_of(role, "somebody")
        assert other.get("/v1/tokens").status_code == 403
        assert other.delete(f"/v1/tokens/{id_of(other)}").status_code == 403


def test_revoking_what_is_not_there_is_not_found(client_of: Callable[..., httpx2.Client]) -> None:
    assert client_of(Role.ADMIN, "root").delete("/v1/tokens/0000000000000000").status_code == 404
