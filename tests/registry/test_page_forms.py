"""The pages' buttons: they do what the API does, for who may, and for no form that is not ours."""

import hashlib
import hmac
from collections.abc import Callable, Iterator

import httpx2
import pytest

from registry.api.server import Server
from registry.core import entries
from registry.core.canonical import Json
from registry.core.protection import Rule
from registry.core.scope import Scope
from registry.settings import Settings
from registry.usecases import access, catalogue, holds, log, reports, requests
from registry.usecases.access import Caller, Role, Wish
from tests.registry.conftest import ROOT
from tests.registry.page_forms import OWN, inputs, send, signed_in
from tests.registry.publishing import Publisher, onnx_model, publish

ALIAS, HOLD = "/models/digits/alias", "/models/digits/hold"
PLACE = "/deployments/production/digits"
ASK = f"{PLACE}/ask"
VERSION = "/models/digits/versions/1"
MOVED = {"alias": "forged", "version": "1", "reason": "the best so far"}
LOOP = Caller(Role.RECONCILER, "loop")
Clients = Callable[..., httpx2.Client]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all: `digits` has two versions, and what is refused changes nothing."""
    rules = (Rule("digits", "frozen", ("admin:root",)),)
    folder = tmp_path_factory.mktemp("registry")
    settings, alice = Settings(folder, listen=("127.0.0.1:0",), protected=rules), Publisher()
    alice.list_in(settings.publishers_file)
    running = Server(settings)
    running.start()
    registry = running.app.state.registry
    token = access.mint(registry, role=Role.PUBLISHER, name="alice-ci", by=ROOT)
    with httpx2.Client(base_url=running.addresses[0], timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        for number in (1, 2):
            assert publish(client, alice, {"model.onnx": onnx_model(float(number))}).is_success
    desired: Json = {"model": "digits", "version": 1, "digest": "sha256:" + "a" * 64}
    document: dict[str, Json] = {"desired": desired, "hosts": [{"host": "edge-1"}]}
    reports.set_status(
        registry, environment="production", name="digits", document=document, by=LOOP
    )
    yield running
    running.stop()


@pytest.fixture
def operator(client_of: Clients) -> httpx2.Client:
    """A browser of an operator."""
    return signed_in(client_of, Role.OPERATOR)


@pytest.fixture
def unchanged(server: Server) -> Iterator[None]:
    """Whatever the test does, the log has nothing to tell of it but that it was refused."""
    registry = server.app.state.registry
    size = log.size(registry)
    yield
    found = log.page(registry, start=size, limit=1000)[1]
    kinds = {entries.decode(leaf).kind for _, leaf in found}
    assert kinds <= {entries.Kind.TOKEN_CREATED, entries.Kind.ACCESS_REFUSED}
    assert "forged" not in pointing(server)


def pointing(server: Server) -> dict[str, int]:
    found = catalogue.model(server.app.state.registry, "digits").aliases
    return {one.alias: one.version for one in found}


def code(answer: httpx2.Response) -> int:
    """The status, of a page for people."""
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    return answer.status_code


def test_an_operator_moves_an_alias_with_a_reason(server: Server, operator: httpx2.Client) -> None:
    assert f'href="{ALIAS}?version=1"' in operator.get(VERSION).text
    answer = send(operator, f"{ALIAS}?version=1", MOVED | {"alias": "champion"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{VERSION}?did=alias")
    assert pointing(server)["champion"] == 1
    page = operator.get(answer.headers["location"]).text
    assert "the alias is moved" in page
    assert '<span class="tag strong">champion</span>' in page
    entry = operator.get("/log?kind=alias_moved").text
    assert "the best so far" in entry
    assert "operator:olga" in entry


def test_a_hold_is_placed_by_an_operator_and_released_by_an_admin(
    server: Server, operator: httpx2.Client, client_of: Clients
) -> None:
    answer = send(operator, f"{HOLD}?version=1", {"reason": "a case\r\nin court"})
    assert answer.headers["location"] == f"{VERSION}?did=held"
    page = operator.get(VERSION).text
    assert "on legal hold 1<" in page
    assert "a case\nin court" in page
    assert "/holds/1/release" not in page
    assert code(send(operator, "/holds/1/release", {"reason": "over"})) == 403
    admin = signed_in(client_of, Role.ADMIN, "ada")
    assert "/holds/1/release" in admin.get(VERSION).text
    answer = send(admin, "/holds/1/release", {"reason": "over"})
    assert answer.headers["location"] == f"{VERSION}?did=released"
    assert holds.on(server.app.state.registry, "digits", 1) == []


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_a_form_that_another_site_sent_is_refused(
    operator: httpx2.Client, headers: dict[str, str]
) -> None:
    filled = inputs(operator, ALIAS) | MOVED
    answer = operator.post(ALIAS, data=filled, headers=headers)
    assert code(answer) == 403
    assert "sent by another site" in answer.text


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
def test_a_form_without_the_sign_ins_token_is_refused(
    operator: httpx2.Client, token: str | None
) -> None:
    forged = MOVED if token is None else MOVED | {"form": token}
    answer = operator.post(ALIAS, data=forged, headers=OWN)
    assert code(answer) == 403
    assert "not made for this sign-in" in answer.text


@pytest.mark.usefixtures("unchanged")
def test_a_token_of_another_sign_in_or_of_another_form_is_refused(
    operator: httpx2.Client, client_of: Clients
) -> None:
    of_another = inputs(signed_in(client_of, Role.OPERATOR, "otto"), ALIAS)
    for foreign in (of_another, inputs(operator, HOLD)):
        assert code(operator.post(ALIAS, data=foreign | MOVED, headers=OWN)) == 403


@pytest.mark.usefixtures("unchanged")
def test_without_a_sign_in_a_form_leads_to_the_sign_in(
    operator: httpx2.Client, client_of: Clients
) -> None:
    nobody = client_of()
    filled = inputs(operator, ALIAS) | MOVED
    answer = nobody.post(ALIAS, data=filled, headers=OWN | {"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/login?back=%2Fmodels%2Fdigits%2Falias",
    )


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR, Role.APPROVER, Role.RECONCILER])
def test_who_may_not_sees_no_button_and_is_refused_with_a_forged_form(
    operator: httpx2.Client, client_of: Clients, role: Role
) -> None:
    browser = signed_in(client_of, role, "eve")
    assert ALIAS not in browser.get(VERSION).text
    assert HOLD not in browser.get(VERSION).text
    for address in (ALIAS, HOLD):
        assert browser.get(address).status_code == 403
        # All that a page of theirs could hold, were there one.
        assert code(browser.post(address, data=MOVED, headers=OWN)) == 403


@pytest.mark.usefixtures("unchanged")
def test_a_role_that_may_not_is_refused_with_a_token_of_its_own(
    operator: httpx2.Client, client_of: Clients
) -> None:
    browser = signed_in(client_of, Role.VIEWER, "eve")
    secret = browser.cookies["plimsoll_token"]
    made = guarding_token(secret, ALIAS)
    answer = browser.post(ALIAS, data=MOVED | {"form": made}, headers=OWN)
    assert code(answer) == 403
    assert "may not POST" in answer.text


@pytest.mark.usefixtures("unchanged")
def test_who_may_act_on_other_models_only_sees_no_button_and_is_refused(
    server: Server, operator: httpx2.Client, client_of: Clients
) -> None:
    registry = server.app.state.registry
    wish = Wish(Role.OPERATOR, "other", Scope(("fraud",)))
    browser = client_of()
    browser.headers["Accept"] = "text/html"
    browser.post("/login", data={"token": access.mint_wish(registry, wish, ROOT)}, headers=OWN)
    assert code(send(browser, ALIAS, MOVED)) == 403
    made = guarding_token(browser.cookies["plimsoll_token"], HOLD)
    assert code(browser.post(HOLD, data={"reason": "x", "form": made}, headers=OWN)) == 403


@pytest.mark.usefixtures("unchanged")
def test_a_protected_alias_stays_protected(operator: httpx2.Client) -> None:
    answer = send(operator, ALIAS, MOVED | {"alias": "frozen"})
    assert code(answer) == 403
    assert "only admin:root may move it" in answer.text


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("", "a reason must be given"),
        (" \r\n ", "a reason must be given"),
        ("x" * 2001, "2001 characters"),
        ("a\x1b[2Jb", "control characters"),
        ("a\u202eb", "control characters"),
    ],
)
def test_a_reason_that_says_nothing_too_much_or_hides_something_is_refused(
    operator: httpx2.Client, reason: str, said: str
) -> None:
    for address in (f"{ALIAS}?version=1", f"{HOLD}?version=1"):
        answer = send(operator, address, MOVED | {"reason": reason})
        assert code(answer) == 422
        assert said in answer.text
        assert 'value="1"' in answer.text, "what was typed stays"


def test_a_form_that_is_sent_twice_counts_once(server: Server, operator: httpx2.Client) -> None:
    registry = server.app.state.registry
    held = inputs(operator, f"{HOLD}?version=2") | {"version": "2", "reason": "a case"}
    assert operator.post(HOLD, data=held, headers=OWN).status_code == 303
    assert code(operator.post(HOLD, data=held, headers=OWN)) == 409
    assert len(holds.on(registry, "digits", 2)) == 1
    moved = inputs(operator, ALIAS) | MOVED | {"alias": "twice"}
    size = log.size(registry)
    operator.post(ALIAS, data=moved, headers=OWN)
    operator.post(ALIAS, data=moved, headers=OWN)
    assert log.size(registry) == size + 1


def test_who_moves_an_alias_that_moved_meanwhile_is_told(
    server: Server, operator: httpx2.Client
) -> None:
    moved, opened = MOVED | {"alias": "raced"}, inputs(operator, ALIAS)
    send(operator, ALIAS, moved)
    answer = operator.post(ALIAS, data=opened | moved | {"version": "2"}, headers=OWN)
    assert code(answer) == 409
    assert "points at 1, not at nothing" in answer.text
    assert pointing(server)["raced"] == 1


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("version", ["", "0", "99", "one", "-1", "1" * 30, "\u0661"])
def test_a_version_that_is_none_is_refused(operator: httpx2.Client, version: str) -> None:
    answer = send(operator, ALIAS, MOVED | {"version": version})
    assert code(answer) in {404, 422}


def test_of_a_model_and_of_a_hold_that_are_not_there_there_is_no_form(
    operator: httpx2.Client, client_of: Clients
) -> None:
    assert code(operator.get("/models/nothing/alias")) == 404
    assert code(signed_in(client_of, Role.ADMIN).get("/holds/7/release")) == 404


def test_a_bearer_token_needs_no_form_of_ours(server: Server, client_of: Clients) -> None:
    program = client_of(Role.PUBLISHER, "ci")
    assert program.post(ALIAS, data=MOVED | {"alias": "program"}).status_code == 303
    assert pointing(server)["program"] == 1


def test_the_token_is_in_no_json(operator: httpx2.Client) -> None:
    made = inputs(operator, ALIAS)["form"]
    assert made not in operator.get(f"{ALIAS}?format=json").text


@pytest.mark.usefixtures("unchanged")
def test_a_request_is_refused_as_every_other_form_is(
    server: Server, operator: httpx2.Client, client_of: Clients
) -> None:
    registry, address = server.app.state.registry, f"{ASK}?verb=rollback"
    filled = inputs(operator, address) | {"reason": "flooded"}
    evil = operator.post(ASK, data=filled, headers={"sec-fetch-site": "cross-site"})
    of_another = inputs(signed_in(client_of, Role.OPERATOR, "otto"), address)["form"]
    foreign = operator.post(ASK, data=filled | {"form": of_another}, headers=OWN)
    missing = operator.post(ASK, data=filled | {"form": ""}, headers=OWN)
    assert [code(one) for one in (evil, foreign, missing)] == [403, 403, 403]
    for reason in ("", "x" * 2001, "a\x07b"):
        assert code(operator.post(ASK, data=filled | {"reason": reason}, headers=OWN)) == 422
    assert code(operator.post(ASK, data=filled | {"verb": "explode"}, headers=OWN)) == 422
    assert code(operator.post(ASK, data=filled | {"id": "x"}, headers=OWN)) == 422
    viewer = signed_in(client_of, Role.VIEWER, "eve")
    assert "/ask?verb=" not in viewer.get(PLACE).text
    made = guarding_token(viewer.cookies["plimsoll_token"], ASK)
    assert code(viewer.post(ASK, data=filled | {"form": made}, headers=OWN)) == 403
    assert code(operator.get("/deployments/production/nothing/ask?verb=rollback")) == 404
    nothing = "/deployments/production/nothing/ask"
    made = guarding_token(operator.cookies["plimsoll_token"], nothing)
    assert code(operator.post(nothing, data=filled | {"form": made}, headers=OWN)) == 404
    assert requests.open_ones(registry) == []


@pytest.mark.usefixtures("unchanged")
def test_who_may_act_on_other_models_asks_nothing_of_a_deployment(
    server: Server, client_of: Clients
) -> None:
    registry = server.app.state.registry
    wish = Wish(Role.OPERATOR, "other", Scope(("fraud",)))
    browser = client_of()
    browser.headers["Accept"] = "text/html"
    browser.post("/login", data={"token": access.mint_wish(registry, wish, ROOT)}, headers=OWN)
    made = guarding_token(browser.cookies["plimsoll_token"], ASK)
    forged = {"form": made, "verb": "rollback", "id": "a" * 32, "reason": "x"}
    assert code(browser.post(ASK, data=forged, headers=OWN)) == 403
    assert requests.open_ones(registry) == []


def test_a_request_that_is_sent_twice_is_one(server: Server, operator: httpx2.Client) -> None:
    registry = server.app.state.registry
    filled = inputs(operator, f"{ASK}?verb=rollback") | {"reason": "flooded"}
    size = log.size(registry)
    for _ in range(2):
        answer = operator.post(ASK, data=filled, headers=OWN)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PLACE}#requests")
    assert log.size(registry) == size + 1
    other = operator.post(ASK, data=filled | {"id": "b" * 32}, headers=OWN)
    assert code(other) == 409
    assert "asked for a rollback already" in other.text
    twin = operator.get(f"{PLACE}?format=json").json()
    assert [one["state"]["word"] for one in twin["requests"]] == ["waiting"]


def guarding_token(secret: str, path: str) -> str:
    """What only the registry and the browser itself could come to."""
    text = f"plimsoll form v1\0{path}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
