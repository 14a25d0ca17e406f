"""The buttons in a real browser: by keyboard, without scripts, and as axe sees them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from registry.core.asking import State
from registry.core.audit import proofs
from registry.usecases import access, catalogue, holds, requests
from registry.usecases.access import Role
from tests.pages import population
from tests.pages.conftest import ROOT, Site
from tests.pages.test_accessible import PHONE, WIDE, complaints

ASK = "/deployments/production/fraud/ask?verb=rollback"
LOOKED_AT = (
    ("/models/fraud/alias?version=8", "light", WIDE),
    ("/models/fraud/hold?version=8", "light", PHONE),
    ("/holds/1/release", "dark", WIDE),
    (ASK, "dark", PHONE),
    ("/models/digits/versions/3", "light", WIDE),
    ("/deployments/production/digits", "dark", PHONE),
)


@pytest.fixture(scope="module")
def held(site: Site) -> Site:
    """There is one hold, of an admin."""
    holds.place(site.registry, model="digits", version=3, reason="a case", by=ROOT)
    return site


@pytest.fixture
def admins(chromium: Browser, held: Site) -> Iterator[Page]:
    """An admin's browser without scripts."""
    context = chromium.new_context(
        base_url=held.url,
        java_script_enabled=False,
    )
    _sign_in(context, held)
    yield context.new_page()
    context.close()


def _sign_in(context: BrowserContext, site: Site) -> None:
    token = access.mint(site.registry, role=Role.ADMIN, name="ada", by=ROOT)
    context.add_cookies([{"name": "plimsoll_token", "value": token, "url": site.url}])


def test_forms_and_buttons_have_no_violation_in_either_theme_and_on_a_phone(
    chromium: Browser, held: Site
) -> None:
    # As for the other pages, axe needs the policy set aside.
    context = chromium.new_context(base_url=held.url, bypass_csp=True)
    _sign_in(context, held)
    page = context.new_page()
    for path, theme, size in LOOKED_AT:
        page.goto(path)
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size(size)  # type: ignore[arg-type]
        assert complaints(page) == [], (path, theme, size)
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], path
    context.close()


def test_an_alias_is_moved_by_keyboard_and_without_scripts(admins: Page, held: Site) -> None:
    admins.goto("/models/fraud/versions/9")
    admins.get_by_role("link", name="Move an alias here").press("Enter")
    expect(admins.get_by_role("combobox", name="Alias")).to_be_focused()
    admins.keyboard.type("shadow")
    admins.keyboard.press("Tab")
    expect(admins.get_by_role("spinbutton", name="Version")).to_have_value("9")
    admins.keyboard.press("Tab")
    reason = admins.get_by_role("textbox", name="Reason")
    expect(reason).to_be_focused()
    expect(reason).to_have_accessible_description(re.compile("kept in the log for good"))
    admins.keyboard.type("it is looked at first")
    admins.keyboard.press("Tab")
    admins.keyboard.press("Enter")
    expect(admins.get_by_role("status")).to_contain_text("the alias is moved")
    assert admins.url == f"{held.url}/models/fraud/versions/9?did=alias"
    aliases = catalogue.model(held.registry, "fraud").aliases
    assert ("shadow", 9) in [(one.alias, one.version) for one in aliases]


def test_a_refused_form_says_why_and_keeps_what_was_typed(admins: Page, held: Site) -> None:
    admins.goto("/models/fraud/alias")
    admins.get_by_role("combobox", name="Alias").fill("shadow")
    admins.get_by_role("spinbutton", name="Version").fill("99")
    admins.get_by_role("textbox", name="Reason").fill("to see")
    admins.get_by_role("button", name="Move the alias").click()
    expect(admins.get_by_role("alert")).to_contain_text("99")
    assert admins.get_by_role("textbox", name="Reason").input_value() == "to see"


def test_what_is_asked_of_a_deployment_shows_and_is_followed(chromium: Browser, held: Site) -> None:
    context = chromium.new_context(base_url=held.url)
    _sign_in(context, held)
    page = context.new_page()
    page.goto("/deployments/production/fraud")
    page.get_by_role("link", name="Roll back").click()
    page.get_by_role("textbox", name="Reason").fill("support is flooded")
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("No reconciler has taken it yet.")).to_be_visible()
    assert page.get_by_role("link", name="Roll back").count() == 0
    (row,) = requests.open_ones(held.registry)
    requests.take(held.registry, row.id, holder="", by=population.LOOP)
    expect(page.get_by_text("taken by reconciler:loop")).to_be_visible()
    done = requests.Ended(State.DONE, "back to version 7", "https://git.example/pulls/7")
    requests.answer(held.registry, row.id, holder="", ended=done, by=population.LOOP)
    link = page.get_by_role("link", name="The pull request")
    expect(link).to_have_attribute("href", "https://git.example/pulls/7")
    expect(page.get_by_role("link", name="Roll back")).to_be_visible()
    context.close()


def test_a_hold_is_released_where_it_is_shown(admins: Page, held: Site) -> None:
    admins.goto("/models/digits/versions/3")
    admins.get_by_role("link", name="Release hold 1").click()
    admins.get_by_role("textbox", name="Reason").fill("settled")
    admins.get_by_role("button", name="Release the hold").click()
    expect(admins.get_by_role("status")).to_contain_text("the hold is released")
    assert holds.on(held.registry, "digits", 3) == []


def test_an_auditor_finds_by_name_and_keeps_what_was_found(
    open_page: Callable[..., Page], site: Site, tmp_path: Path
) -> None:
    page = open_page("/log", java_script_enabled=False)
    page.get_by_label("Who", exact=True).fill("alice")
    page.get_by_role("textbox", name="Model").fill("digits")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/log?model=digits&actor=alice")
    assert page.locator("table.log tbody tr").count() == 3
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download these entries").click()
    file = tmp_path / coming.value.suggested_filename
    coming.value.save_as(file)
    assert file.name == "log-entries.tar"
    with file.open("rb") as stream:
        proven = list(proofs.checked(stream.read, site.registry.trust_root().log))
    assert {(one.entry.kind, one.entry.model) for one in proven} == {("published", "digits")}
    page.get_by_label("Who", exact=True).fill("nobody we know")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/log?model=digits&nobody=1")
    assert "nobody of this name" in page.get_by_role("alert").inner_text()
