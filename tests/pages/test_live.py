"""A page follows what happens, in as many tabs as are open, and disturbs nobody who reads it."""

from collections.abc import Callable

from playwright.sync_api import Browser, Page, Route, expect

from registry.usecases import reports
from registry.usecases.reports import Event
from tests.pages import population
from tests.pages.conftest import Site


def happens(site: Site, number: int, reason: str) -> None:
    event = Event(f"live-{number}", "deployed", model="digits", reason=reason)
    reports.record(site.registry, event, population.LOOP)


def test_the_seventh_tab_follows_too(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(base_url=site.url)
    context.add_cookies([{"name": "plimsoll_token", "value": site.token, "url": site.url}])
    tabs = [context.new_page() for _ in range(8)]
    for tab in tabs:
        tab.goto("/log")
    # The first tab listens for all: it is told of the first change once its stream is open.
    happens(site, 1, "seen by all of them")
    for tab in tabs:
        expect(tab.get_by_text("seen by all of them")).to_be_visible()
    tabs[0].close()
    happens(site, 2, "seen by those that are left")
    for tab in tabs[1:]:
        expect(tab.get_by_text("seen by those that are left")).to_be_visible()
    assert len(context.pages) == 7
    context.close()


def test_a_tab_is_told_what_happened_while_it_was_loading(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(base_url=site.url)
    context.add_cookies([{"name": "plimsoll_token", "value": site.token, "url": site.url}])
    first, second = context.new_page(), context.new_page()
    first.goto("/log")
    held: list[Route] = []

    def hold(script: Route) -> None:
        held.append(script)

    second.route("**/live.js", hold)
    second.goto("/log", wait_until="commit")
    while not held:
        second.wait_for_timeout(20)
    happens(site, 6, "before the second tab listens")
    # The tab that listens for both has told whoever there was to tell.
    expect(first.get_by_text("before the second tab listens")).to_be_visible()
    assert len(held) == 1
    held[0].continue_()
    expect(second.get_by_text("before the second tab listens")).to_be_visible()
    context.close()


def test_a_status_that_is_reported_shows_without_an_entry(
    open_page: Callable[..., Page], site: Site
) -> None:
    page = open_page("/deployments/dev/digits")
    expect(page.locator(".tile .chip", has_text="Suspended")).to_be_visible()
    shape = population.Shape("dev", "digits", "digits", 3)
    document = population.document(shape, {})
    reports.set_status(
        site.registry, environment="dev", name="digits", document=document, by=population.LOOP
    )
    expect(page.locator(".tile .chip", has_text="Healthy")).to_be_visible()
    assert not page.get_by_text("suspend: true in Git").count()


def test_what_a_reader_opened_and_typed_stays_when_the_page_changes(
    open_page: Callable[..., Page], site: Site
) -> None:
    page = open_page("/log")
    page.get_by_role("textbox", name="Model").fill("half a na")
    happens(site, 3, "while somebody types")
    expect(page.get_by_text("while somebody types")).to_be_visible()
    assert page.get_by_role("textbox", name="Model").input_value() == "half a na"
    expect(page.get_by_role("textbox", name="Model")).to_be_focused()


def test_a_page_follows_in_its_readers_language_and_into_another(
    open_page: Callable[..., Page], site: Site
) -> None:
    page = open_page("/log", locale="zh-CN")
    happens(site, 4, "told in Chinese")
    entry = page.locator("tr", has_text="told in Chinese")
    expect(entry).to_contain_text("已部署")
    other = page.context.new_page()
    other.goto("/models")
    other.get_by_role("button", name="English").click()
    expect(other.get_by_role("heading", name="Models")).to_be_visible()
    page.bring_to_front()
    happens(site, 5, "told in English")
    expect(page.locator("tr", has_text="told in English")).to_contain_text("deployed")
    # The header too, which is not part of what is put in place.
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"
