"""Every page in a real browser, in both themes and on a phone: nothing for axe to complain of."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.pages.addresses import PAGES

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS = (("light", WIDE), ("dark", WIDE), ("dark", PHONE))
_RULES = {
    "runOnly": [
        "wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice",
    ]
}  # fmt: skip


def complaints(page: Page) -> list[str]:
    found: dict[str, Any] = Axe().run(page, options=_RULES).response
    assert len(found["passes"]) > 10
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def is_within(page: Page) -> bool:
    """Whether all of it fits the width of the window."""
    widths: list[int] = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return widths[0] <= widths[1]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_violation_in_either_theme_and_on_a_phone(
    open_page: Callable[..., Page], path: str
) -> None:
    # The page's own policy would keep axe out: it is set aside here, and only here.
    page = open_page(path, viewport=WIDE, bypass_csp=True)
    for theme, size in LOOKS:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size(size)
        assert complaints(page) == [], (theme, size)
    assert is_within(page)


@pytest.mark.parametrize("look", range(len(LOOKS)), ids=["light", "dark", "phone"])
def test_pages_in_chinese_have_no_violation_either(
    open_page: Callable[..., Page], look: int
) -> None:
    """Each page in one of the looks, without those that only ask it something else."""
    theme, size = LOOKS[look]
    page = open_page("/login", color_scheme=theme, locale="zh-CN", bypass_csp=True)
    for path in [path for path in PAGES if "?" not in path][look :: len(LOOKS)]:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.goto(path)
        assert page.evaluate("document.documentElement.lang") == "zh-Hans"
        assert complaints(page) == [], path
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert is_within(page), path


@pytest.mark.parametrize("path", PAGES)
def test_a_page_works_without_scripts_and_asks_nobody_else(
    open_page: Callable[..., Page], path: str
) -> None:
    page = open_page("/login", java_script_enabled=False)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 200
    assert page.locator("main h1").count() == 1
    origin = page.url.split("/", 3)[2]
    assert {url.split("/", 3)[2] for url in asked} == {origin}
