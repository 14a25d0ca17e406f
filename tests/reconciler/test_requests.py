"""A button on a page becomes a pull request: registry, reconciler, Git and a forge's stand-in."""

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import closing

import httpx2
import pytest

from reconciler import client, config, requests, wishes
from reconciler.core.strategies.progress import Verb, Wish
from registry.core.canonical import Json
from registry.core.entries import Entry, Kind
from registry.usecases import access
from registry.usecases.access import Caller, Role
from registry.usecases.access import Wish as TokenWish
from tests.reconciler.forges import servers
from tests.reconciler.measuring import service
from tests.reconciler.test_rollback import told, versions
from tests.reconciler.town import DEPLOYMENT, Town, town
from tests.registry.page_forms import OWN, inputs
from tests.registry.publishing import Publisher

KEY, PLACE = "production/digits", "/deployments/production/digits"
ALICE: list[Publisher] = []


@pytest.fixture(scope="module")
def forge() -> Iterator[servers.State]:
    with servers.serving("gitea") as made:
        yield made


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, forge: servers.State) -> Iterator[Town]:
    """One for all tests: version 1 serves on both hosts."""
    folder, alice = tmp_path_factory.mktemp("town"), Publisher()
    (folder / "forge.token").write_text(servers.TOKEN)
    more = f"""
[[reconciler.forge]]
kind = "gitea"
address = "{forge.url}"
project = "acme/models"
token_file = "forge.token"
"""
    with town(folder, alice, more) as made:
        made.publish(1, alice)
        made.deploy(1, hosts="[edge-1, edge-2]")
        made.settle()
        ALICE.append(alice)
        yield made
        ALICE.clear()


@pytest.fixture
def here(built: Town, forge: servers.State) -> Town:
    """A version that is new serves on both hosts after another one that was good."""
    newest = max(built.digests) + 1
    built.publish(newest, ALICE[0])
    built.deploy(newest, hosts="[edge-1, edge-2]")
    built.settle()
    assert versions(built) == [newest, newest]
    return built


@pytest.fixture
def pursuing(built: Town) -> Iterator[requests.Requests]:
    settings = config.load(built.folder / "plimsoll.toml")
    with closing(client.Registry(settings.registry, settings.token_file)) as registry:
        yield pursued(built, registry)


def pursued(here: Town, registry: client.Registry) -> requests.Requests:
    """As the service makes it, and again after a crash."""
    settings = config.load(here.folder / "plimsoll.toml")
    memory = here.loop.memory
    return requests.Requests(registry, settings, memory.rollouts, here.loop.notice)


@pytest.fixture
def olga(built: Town) -> Iterator[httpx2.Client]:
    """An operator's browser."""
    registry = built.server.app.state.registry
    wish = TokenWish(Role.OPERATOR, "olga")
    token = access.mint_wish(registry, wish, Caller(Role.ADMIN, "root"))
    with httpx2.Client(base_url=built.server.addresses[0], timeout=60) as browser:
        browser.headers["Accept"] = "text/html"
        assert browser.post("/login", data={"token": token}, headers=OWN).status_code == 303
        yield browser


def ask(olga: httpx2.Client, verb: str, **fields: str) -> httpx2.Response:
    address = f"{PLACE}/ask?verb={verb}"
    said = inputs(olga, address) | {"reason": "support is flooded"} | fields
    return olga.post(f"{PLACE}/ask", data=said, headers=OWN)


def end(here: Town, request: str) -> Entry:
    """The one entry that tells how it ended."""
    ends = [one for one in told(here, Kind.REQUEST_ENDED) if one.detail["request"] == request]
    assert len(ends) == 1
    return ends[0]


def open_one(here: Town) -> dict[str, str]:
    (found,) = here.registry.get("/v1/requests").json()["requests"]
    return dict(found)


def test_a_rollback_from_a_page_is_done_by_the_reconciler_and_becomes_one_pull_request(
    here: Town, olga: httpx2.Client, pursuing: requests.Requests, forge: servers.State
) -> None:
    bad, pulls = max(here.digests), len(forge.pulls)
    assert f"{PLACE}/ask?verb=rollback" in olga.get(PLACE).text
    asked = ask(olga, "rollback")
    assert (asked.status_code, asked.headers["location"]) == (303, f"{PLACE}#requests")
    page = olga.get(PLACE).text
    assert "No reconciler has taken it yet." in page
    assert "/ask?verb=" not in page, "one at a time"
    request = open_one(here)["id"]
    pursuing.round()
    assert "taken by reconciler:reconciler" in olga.get(PLACE).text
    here.settle()
    good = versions(here)[0]
    assert good < bad
    pursuing.round()
    (pull,) = forge.pulls[pulls:]
    page = olga.get(PLACE).text
    assert f"from version {bad} back to version {good}: support is flooded" in page
    assert f'href="{_address(pull)}"' in page
    steered = told(here, Kind.STEERED)[-1]
    assert (steered.detail["asked"], steered.detail["by"]) == ("rollback", "operator:olga")
    detail = end(here, request).detail
    assert (detail["outcome"], detail["address"]) == ("done", _address(pull))


def test_whatever_is_killed_in_between_there_is_one_rollback_and_one_pull_request(
    here: Town, olga: httpx2.Client, pursuing: requests.Requests, forge: servers.State
) -> None:
    bad, pulls, steered = max(here.digests), len(forge.pulls), len(told(here, Kind.STEERED))
    ask(olga, "rollback")
    request, registry = open_one(here)["id"], pursuing._registry
    mark = here.folder / "reconciler" / requests.FOLDER / request
    # Killed right after the taking: the registry knows, and nothing is here.
    registry.post(f"/v1/requests/{request}/take", {"holder": ""})
    pursued(here, registry).round()
    # Killed between the wish and its mark, before and after the loop took it in.
    mark.unlink()
    pursued(here, registry).round()
    here.loop.tick()
    mark.unlink(missing_ok=True)
    pursued(here, registry).round()
    here.settle()
    # Killed once all is done, before the answer.
    for _ in range(2):
        pursued(here, registry).round()
        here.settle()
    assert versions(here)[0] < bad
    assert len(forge.pulls) == pulls + 1
    assert len(told(here, Kind.STEERED)) == steered + 1
    assert end(here, request).detail["outcome"] == "done"
    assert not mark.exists()


def test_a_version_is_promoted_by_a_pull_request_and_no_host_changes(
    here: Town, olga: httpx2.Client, pursuing: requests.Requests, forge: servers.State
) -> None:
    served, pulls = versions(here), len(forge.pulls)
    newer = here.publish(max(here.digests) + 1, ALICE[0])
    assert ask(olga, "propose", version=str(max(here.digests))).status_code == 303
    pursuing.round()
    here.settle()
    pursuing.round()
    (pull,) = forge.pulls[pulls:]
    assert newer in here.origin.branch(pull.head, DEPLOYMENT)
    assert f'href="{_address(pull)}"' in olga.get(PLACE).text
    assert versions(here) == served


def test_what_changes_nothing_is_refused_with_the_reconcilers_own_words(
    here: Town, olga: httpx2.Client, pursuing: requests.Requests, forge: servers.State
) -> None:
    served, pulls = versions(here), len(forge.pulls)
    for verb, version, said in (
        ("pause", "", "no rollout of production/digits is under way"),
        ("rollback", "99", "version 99 was never found good here"),
        ("retry", "", "is not quarantined"),
        ("propose", "99", "99"),
    ):
        assert ask(olga, verb, version=version).status_code == 303
        request = open_one(here)["id"]
        for _ in range(2):
            pursuing.round()
            here.settle()
        assert said in end(here, request).reason
        assert end(here, request).detail["outcome"] == "refused"
    assert (versions(here), len(forge.pulls)) == (served, pulls)


def test_a_wish_that_another_took_the_place_of_is_answered_and_not_left_again(
    here: Town, olga: httpx2.Client, pursuing: requests.Requests
) -> None:
    served = versions(here)
    ask(olga, "rollback")
    request = open_one(here)["id"]
    pursuing.round()
    later = Wish("f" * 16, Verb.RETRY, "by command", "root")
    wishes.put(here.folder / "reconciler", KEY, later)
    here.settle()
    pursuing.round()
    said = "changes nothing: it was over, or another wish came first"
    assert end(here, request).reason == said
    assert versions(here) == served


def test_what_is_about_a_deployment_of_another_reconciler_is_left_to_it(
    built: Town, olga: httpx2.Client, pursuing: requests.Requests
) -> None:
    status = built.registry.get("/v1/deployments/production/digits").json()
    built.registry.put("/v1/deployments/production/elsewhere", json=status)
    address = "/deployments/production/elsewhere/ask"
    said = inputs(olga, f"{address}?verb=rollback") | {"reason": "x"}
    assert olga.post(address, data=said, headers=OWN).status_code == 303
    pursuing.round()
    row = open_one(built)
    assert (row["state"], row["takenBy"]) == ("waiting", "")


def test_what_a_newer_registry_may_ask_is_passed_over() -> None:
    known: dict[str, Json] = {"deployment": KEY, "reason": "", "by": "", "id": "0" * 32}
    assert requests._asked(known | {"verb": "rollback"}) is not None
    assert requests._asked(known | {"verb": "explode"}) is None
    assert requests._asked(known | {"verb": "rollback", "id": "../../etc/passwd"}) is None


@pytest.mark.parametrize(
    "told",
    [b"[]", b"{", b'{"requests": 7}', b'{"requests": [7]}', b'{"requests": [{"verb": 1}]}'],
    ids=["a list", "cut off", "a number", "no object", "a verb that is no text"],
)
def test_nonsense_for_an_answer_is_passed_over_and_asked_for_again(
    built: Town, told: bytes
) -> None:
    settings = config.load(built.folder / "plimsoll.toml")
    with (
        service.serving() as registry,
        closing(client.Registry(registry.url, settings.token_file)) as asking,
    ):
        registry.answers["/v1/requests"] = (200, told)
        pursuing = pursued(built, asking)
        for _ in range(2):
            pursuing.round()
        assert [path for _, path, *_ in registry.asked] == ["/v1/requests"] * 2


def test_who_is_set_not_to_asks_nobody(built: Town) -> None:
    settings = config.load(built.folder / "plimsoll.toml")
    assert settings.requests
    off = dataclasses.replace(settings, requests=False)

    def asking() -> bool:
        return any(one.name == "requests" for one in threading.enumerate())

    with requests.pursued(off, dict, lambda: None):
        assert not asking()
    with requests.pursued(settings, dict, lambda: None):
        assert asking()


def _address(pull: servers.Pull) -> str:
    return f"https://forge.example/pull/{pull.number}"
