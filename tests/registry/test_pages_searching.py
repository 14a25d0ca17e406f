"""The log's page asked by somebody's name: what stands in addresses, and what does not."""

import re
from collections.abc import Callable
from urllib.parse import urlencode

import httpx2
import pytest

from registry.api.server import Server
from registry.usecases import persons
from registry.usecases.access import Caller, Role
from tests.registry.conftest import ROOT
from tests.registry.test_log_search import ADA, ISSUER, tell

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def browsing(client_of: Callable[..., httpx2.Client]) -> Callable[[Role], httpx2.Client]:
    """A browser of somebody in this role: it has a cookie, and no token to send."""

    def opened(role: Role) -> httpx2.Client:
        token = client_of(role, "somebody").headers["Authorization"].removeprefix("Bearer ")
        client = client_of()
        client.cookies.set("plimsoll_token", token)
        client.headers.update({"Accept": "text/html", **OURS})
        return client

    return opened


def token(client: httpx2.Client) -> str:
    """Of the form, as the page has it."""
    found = re.search(r'name="form" value="([0-9a-f]{64})"', client.get("/log").text)
    assert found
    return found[1]


def ask(client: httpx2.Client, **typed: str) -> str:
    answer = client.post("/log/find", content=urlencode({"form": token(client), **typed}))
    assert answer.status_code == 303
    return str(answer.headers["location"])


def test_a_persons_name_leads_to_their_pseudonym_and_stands_in_no_address(
    server: Server, browsing: Callable[[Role], httpx2.Client]
) -> None:
    registry = server.app.state.registry
    who = persons.pseudonym_of(registry, ISSUER, "00u1", ADA)
    tell(registry, 3, Caller(Role.ADMIN, who))
    auditor, viewer = browsing(Role.AUDITOR), browsing(Role.VIEWER)
    place = ask(auditor, who=f" {ADA} ", kind="deployed", version="")
    assert place == f"/log?kind=deployed&actor={who}"
    page = auditor.get(place).text
    assert page.count(f">admin:{who}</a>") == 2
    assert ADA in page, "auditors see whom they asked for"
    assert ADA not in viewer.get(place).text
    assert ask(viewer, who=ADA) == "/log?nobody=1"
    assert "nobody of this name" in viewer.get("/log?nobody=1").text
    index = auditor.get(f"{place}&format=json").json()["entries"][0]["index"]
    entry = f"/log/entry/{index}"
    assert ADA in auditor.get(entry).text
    persons.erase(registry, who, reason="asked for", by=ROOT)
    assert ask(auditor, who=ADA) == "/log?nobody=1"
    assert ADA not in auditor.get(place).text + auditor.get(entry).text
    assert f">admin:{who}</a>" in auditor.get(place).text


def test_a_question_keeps_all_its_parts_from_page_to_page_and_as_a_file(
    server: Server, browsing: Callable[[Role], httpx2.Client]
) -> None:
    tell(server.app.state.registry, 240)
    client = browsing(Role.VIEWER)
    place = ask(client, who="loop", host="edge-1", since="2020-01-01T00:00")
    assert place == "/log?host=edge-1&since=2020-01-01T00%3A00&actor=loop"
    first = client.get(f"{place}&format=json").json()
    second = client.get(first["older"]).json()
    assert [len(one["entries"]) for one in (first, second)] == [50, 30]
    assert {one["actor"] for one in second["entries"]} == {"reconciler:loop"}
    assert first["download"].startswith("/v1/log/entries.tar?host=edge-1&since=")
    assert client.get(first["download"]).headers["content-type"] == "application/x-tar"


def test_another_site_cannot_ask_in_somebodys_name(
    server: Server, browsing: Callable[[Role], httpx2.Client]
) -> None:
    client = browsing(Role.AUDITOR)
    right = urlencode({"form": token(client), "who": "x"})
    for site in ("cross-site", "same-site"):
        answer = client.post("/log/find", content=right, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
    assert client.post("/log/find", content="who=x").status_code == 403
    assert browsing(Role.AUDITOR).post("/log/find", content=right).status_code == 403
    # A cookie is good for no other question that is a POST.
    assert client.post("/v1/persons/find", json={"called": ADA}).status_code == 401


@pytest.mark.parametrize(
    "typed",
    [
        {"who": "' OR 1=1 --"}, {"who": "\x00"}, {"who": "x" * 5000}, {"who": "\u202e<script>"},
        {"who": "%"}, {"who": ":"}, {"who": "reconciler:"},
    ],
)  # fmt: skip
def test_a_hostile_name_is_nobodys(
    server: Server, browsing: Callable[[Role], httpx2.Client], typed: dict[str, str]
) -> None:
    assert ask(browsing(Role.AUDITOR), **typed) == "/log?nobody=1"
