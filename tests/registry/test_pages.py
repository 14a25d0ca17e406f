"""The pages: complete without scripts, closed without a token, safe whatever the log says."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from registry.api.server import Server
from registry.core.facts import Facts, Parent, Relation
from registry.pages import rendering
from registry.usecases import publish as publishing
from registry.usecases import reports
from registry.usecases.access import Caller, Role
from registry.usecases.reports import Event
from tests.registry.publishing import ALICE, Publisher, onnx_model, publish, store

ROOT = Path(__file__).parents[2]
RECONCILER = Caller(Role.RECONCILER, "loop")
# A script that is none of our own files.
FOREIGN = re.compile(r'<script(?! src="/static/[a-z0-9.-]+" defer></script>)')
ATTACK = '<script src="//evil.example/x.js"></script>'


@pytest.fixture
def browser(client_of: Callable[..., httpx2.Client]) -> httpx2.Client:
    """Signed in through the form, as a person would be."""
    token = client_of(Role.AUDITOR, "eve").headers["Authorization"].removeprefix("Bearer ")
    opened = client_of()
    opened.headers["Accept"] = "text/html"
    answer = opened.post("/login", content=f"token={token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    return opened


def deployment(status: str = "Healthy") -> dict[str, object]:
    return {
        "commit": "c0ffee00",
        "desired": {"model": "digits", "version": 1, "digest": "sha256:" + "a" * 64},
        "sync": {"status": "Synced", "reason": ""},
        "health": {"status": status, "reason": ATTACK},
        "trust": {"status": "Verified", "reason": ""},
        "hosts": [{"host": "edge-1", "health": status, "reason": "said by the host"}],
        "quarantined": [{"model": "digits", "version": 3, "reason": "accuracy 0.1 < 0.95"}],
    }


@pytest.mark.parametrize(
    "path", ["/", "/deployments", "/deployments/a/b", "/models", "/log", "/models/digits"]
)
def test_without_a_token_a_page_leads_to_the_form(
    client_of: Callable[..., httpx2.Client], path: str
) -> None:
    answer = client_of().get(path, headers={"Accept": "text/html"})
    back = "" if path == "/" else f"?back={quote(path, safe='')}"
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login{back}")
    assert client_of().get(path).status_code == 401


def test_a_deployments_page_says_what_runs_and_why_not(
    server: Server, browser: httpx2.Client, client: httpx2.Client, alice: Publisher
) -> None:
    publish(client, alice, {"model.onnx": onnx_model()})
    registry = server.app.state.registry
    reports.set_status(
        registry, environment="production", name="digits", document=deployment(), by=RECONCILER
    )
    event = Event(
        "1",
        "deployed",
        model="digits",
        version=1,
        host="edge-1",
        deployment="production/digits",
        commit="c0ffee00aa",
    )
    reports.record(registry, event, RECONCILER)
    text = browser.get("/deployments/production/digits").text
    for expected in (
        "Synced",
        "Healthy",
        "Verified",
        "edge-1",
        "digits@3 is quarantined",
        "accuracy 0.1 &lt; 0.95",
        "said by the host",
        "deployed",
        "c0ffee00a",
        "reconciler:loop",
    ):
        assert expected in text


@pytest.mark.parametrize(
    "path",
    [
        "/", "/deployments", "/deployments/a/b", "/models", "/log", "/models/digits",
        "/models/digits/versions/1", "/login",
    ],
)  # fmt: skip
def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing(
    server: Server, browser: httpx2.Client, client: httpx2.Client, alice: Publisher, path: str
) -> None:
    publish(client, alice, {"model.onnx": onnx_model()})
    registry = server.app.state.registry
    reports.record(registry, Event("1", "deployed", model="digits", reason=ATTACK), RECONCILER)
    reports.set_status(
        registry, environment="a", name="b", document=deployment("Degraded"), by=RECONCILER
    )
    answer = browser.get(path)
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert not FOREIGN.search(answer.text)
    assert " style=" not in answer.text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)


@pytest.mark.parametrize("document", [{}, {"sync": 5, "hosts": "none", "desired": [1]}])
def test_a_status_of_an_unknown_form_is_shown_as_unknown(
    server: Server, browser: httpx2.Client, document: dict[str, object]
) -> None:
    reports.set_status(
        server.app.state.registry, environment="a", name="b", document=document, by=RECONCILER
    )
    assert browser.get("/deployments").text.count("<span>Unknown</span>") == 3
    assert browser.get("/deployments/a/b").text.count("<span>Unknown</span>") == 3


def test_each_status_has_an_icon_and_a_word(server: Server, browser: httpx2.Client) -> None:
    reports.set_status(
        server.app.state.registry, environment="a", name="b", document=deployment(), by=RECONCILER
    )
    text = browser.get("/deployments").text
    chips = re.findall(r'<span class="chip \w+">(.*?)</span>', text, re.DOTALL)
    assert chips
    assert all("<svg" in chip and re.search(r"<span>\w", chip) for chip in chips)


def test_a_wrong_token_is_refused_in_the_form(client_of: Callable[..., httpx2.Client]) -> None:
    answer = client_of().post("/login", content="token=plm_wrong")
    assert answer.status_code == 401
    assert "not one of this registry" in answer.text
    assert "set-cookie" not in answer.headers


def test_the_cookie_cannot_be_read_by_scripts_or_sent_by_other_sites(
    client_of: Callable[..., httpx2.Client],
) -> None:
    client = client_of(Role.AUDITOR)
    token = client.headers["Authorization"].removeprefix("Bearer ")
    cookie = client_of().post("/login", content=f"token={token}").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    other_site = {"Sec-Fetch-Site": "cross-site"}
    answer = client_of().post("/login", content=f"token={token}", headers=other_site)
    assert answer.status_code == 403


def test_signing_out_forgets_the_cookie(browser: httpx2.Client) -> None:
    assert browser.get("/").status_code == 200
    browser.post("/logout")
    assert browser.get("/").status_code == 303


def test_the_log_page_goes_back_page_by_page(server: Server, browser: httpx2.Client) -> None:
    for number in range(60):
        event = Event(str(number), "deployed", reason=f"reason {number}.")
        reports.record(server.app.state.registry, event, RECONCILER)
    newest = browser.get("/log").text
    assert "reason 59." in newest
    older = re.search(r'href="(/log\?before=\d+)" rel="next">Older', newest)
    assert older
    assert "reason 1." in browser.get(older[1]).text


def test_no_other_file_than_ours_is_given_out(client_of: Callable[..., httpx2.Client]) -> None:
    assert client_of().get("/static/plimsoll.css").headers["content-type"].startswith("text/css")
    for name in ("..%2frouter.py", "%2e%2e%2fviews.py", "nothing"):
        assert client_of().get(f"/static/{name}").status_code == 404


def test_a_version_page_shows_its_facts_its_card_and_its_line(
    server: Server, browser: httpx2.Client, alice: Publisher
) -> None:
    registry = server.app.state.registry
    card = f"---\nlicense: MIT\n---\n# Digits\n\n[paper](javascript:alert(1)) {ATTACK}\n\n![x](//e)"
    said = Facts(
        card=card, tags={"team": ATTACK}, parents=(Parent(Relation.MERGED, reference="z"),)
    )
    files = {"model.onnx": onnx_model()}
    store(registry, files)
    published = publishing.publish(registry, alice.draft(files, said=said), ALICE)
    text = browser.get("/models/digits/versions/1").text
    for expected in (published.version.digest, "MIT", "<h3>Digits</h3>", "was merged from z"):
        assert expected in text
    assert not FOREIGN.search(text)
    for hostile in ('href="javascript:', "<img"):
        assert hostile not in text


def test_the_list_of_models_filters_and_says_what_is_wrong_with_a_filter(
    browser: httpx2.Client, client: httpx2.Client, alice: Publisher
) -> None:
    publish(client, alice, {"model.onnx": onnx_model()})
    assert "/models/digits" in browser.get("/models", params={"filter": "name LIKE 'dig%'"}).text
    none = browser.get("/models", params={"filter": "name = 'letters'"}).text
    assert "No model fits" in none
    wrong = browser.get("/models", params={"filter": f"name ~ '{ATTACK}'"})
    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.text
    assert not FOREIGN.search(wrong.text)


def test_what_goes_wrong_is_a_page_for_people_and_a_problem_for_programs(
    browser: httpx2.Client,
) -> None:
    asked = f"/models/{ATTACK}"
    for path, status, said in (
        ("/deployments/a/none", 404, "a reconciler sends one at each pass"),
        (asked, 404, "Not found"),
        ("/log?before=never", 422, "before"),
        ("/v1/webhooks", 403, "may not GET /v1/webhooks"),
    ):
        shown = browser.get(path)
        assert (shown.status_code, said in shown.text) == (status, True), path
        assert "<h1>" in shown.text
        assert not FOREIGN.search(shown.text)
        told = browser.get(path, headers={"Accept": "application/json"})
        assert told.headers["content-type"] == "application/problem+json"
        assert told.status_code == status


def test_the_scripts_of_others_are_the_files_that_the_docs_name() -> None:
    static = Path(rendering.__file__).parent / "static"
    page = (ROOT / "docs" / "pages.md").read_text()
    theirs = [file for file in static.glob("*.js") if file.name != "live.js"]
    assert [file.name for file in theirs] == ["htmx-4.0.1.min.js"]
    for file in theirs:
        assert file.name in page
        assert hashlib.sha256(file.read_bytes()).hexdigest() in page
