"""A person signs in at a provider of others, in a real browser, and every page is theirs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from registry.api.server import Server, bind
from registry.settings import Settings
from registry.settings_access import Access, Issuer, SignIn
from registry.trust import code_flow, provider
from tests.pages import canaille
from tests.pages.test_accessible import PHONE, WIDE, complaints

GRANTS = """\
apiVersion: plimsoll.dev/v1
kind: Access
metadata: {name: access}
spec:
  grants:
    - role: operator
      models: ["*"]
      to: {issuer: ISSUER, claims: {groups: fleet}}
"""


@dataclass(frozen=True)
class House:
    """A registry, and the provider that knows its people."""

    url: str
    provider: canaille.Canaille


@pytest.fixture(scope="module")
def patience() -> Iterator[None]:
    """The provider is a process on the same busy machine: it may be slower than a real one."""
    with pytest.MonkeyPatch.context() as patched:
        for asking in (provider, code_flow):
            patched.setattr(asking, "_TIMEOUT", httpx2.Timeout(60))
        yield


@pytest.fixture(scope="module")
def house(patience: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("registry")
    listening = bind("127.0.0.1:0")
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    people = {"alice": "fleet", "mallory": "visitors"}
    with canaille.running(f"{url}/login/callback", people) as theirs:
        (folder / "access.yaml").write_text(GRANTS.replace("ISSUER", theirs.url))
        secret = folder / "client.secret"
        secret.write_text(theirs.secret)
        secret.chmod(0o600)
        client = SignIn(
            canaille.CLIENT, secret, ("openid", "profile", "email", "groups"), "Example Inc."
        )
        issuer = Issuer(theirs.url, "plimsoll", sign_in=client)
        access = Access(file=folder / "access.yaml", issuers=(issuer,))
        server = Server(Settings(data_dir=folder / "data", url=url, access=access), [listening])
        server.start()
        yield House(url, theirs)
        server.stop()


@pytest.fixture
def visit(chromium: Browser, house: House) -> Iterator[Callable[..., Page]]:
    contexts = []

    def opened(path: str = "/", **options: object) -> Page:
        context = chromium.new_context(base_url=house.url, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()


def sign_in(page: Page, name: str) -> None:
    """As the person does it: our button, then the provider's own pages."""
    page.get_by_role("link", name="Sign in with Example Inc.").click()
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=login]").press("Enter")
    page.locator("input[name=password]").fill(canaille.PASSWORD)
    page.locator("input[name=password]").press("Enter")


def ours(page: Page) -> list[Any]:
    """The registry's cookies: to a browser the provider, on another port, is the same host."""
    return [one for one in page.context.cookies() if "plimsoll" in one["name"]]


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_person_signs_in_at_their_provider_and_out_again(
    visit: Callable[..., Page], house: House, scripts: bool
) -> None:
    page = visit("/deployments?q=fraud", java_script_enabled=scripts)
    sign_in(page, "alice")
    # Back at the page that was asked for.
    expect(page).to_have_url(f"{house.url}/deployments?q=fraud")
    expect(page.locator(".who span")).to_contain_text("operator:p-")
    [cookie] = ours(page)
    assert (cookie["name"], cookie["httpOnly"]) == ("plimsoll_session", True)
    assert cookie["sameSite"] == "Lax"
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert ours(page) == []
    page.goto("/deployments")
    expect(page).to_have_url(f"{house.url}/login?back=%2Fdeployments")


def test_a_code_of_the_provider_is_good_once(visit: Callable[..., Page], house: House) -> None:
    page = visit("/")
    answers: list[str] = []
    page.on("request", lambda request: answers.append(request.url))
    sign_in(page, "alice")
    expect(page).to_have_url(f"{house.url}/")
    [answer] = {one for one in answers if one.startswith(f"{house.url}/login/callback")}
    again = httpx2.get(answer, headers={"Accept": "text/html"}, timeout=60)
    assert again.status_code == 401
    assert "has not begun one" in again.text


def test_whom_the_provider_knows_and_we_do_not_is_told_so(visit: Callable[..., Page]) -> None:
    page = visit("/")
    sign_in(page, "mallory")
    expect(page.get_by_role("alert")).to_contain_text("nothing is granted to you here")
    assert ours(page) == []


def test_the_way_in_has_no_violation_in_either_theme_and_on_a_phone(
    visit: Callable[..., Page],
) -> None:
    page = visit("/login/callback", viewport=WIDE, bypass_csp=True)
    expect(page.get_by_role("alert")).to_be_visible()
    for theme, size in (("light", WIDE), ("dark", WIDE), ("dark", PHONE)):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size(size)  # type: ignore[arg-type]
        assert complaints(page) == [], (theme, size)
