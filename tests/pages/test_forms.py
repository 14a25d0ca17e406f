"""The buttons in a real browser: by keyboard, without scripts, and as axe sees them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from registry.core.audit import proofs
from registry.usecases import access, catalogue, holds
from registry.usecases.access import Role
from tests.pages.conftest import ROOT, Site
from tests.pages.test_accessible import PHONE, WIDE, complaints

FORMS = ("/models/fraud/alias?version=8", "/models/fraud/hold?version=8", "/holds/1/release")


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


def test_a_form_has_no_violation_in_either_theme_and_on_a_phone(
    chromium: Browser, held: Site
) -> None:
    # As for the other pages, axe needs the policy set aside.
    context = chromium.new_context(base_url=held.url, bypass_csp=True)
    _sign_in(context, held)
    page = context.new_page()
    for path in (*FORMS, "/models/digits/versions/3"):
        page.goto(path)
        for theme, size in (("light", WIDE), ("dark", PHONE)):
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
