"""Lines of runtimes in a real browser: text, whatever they say, for eyes and screen readers."""

from collections.abc import Callable

from playwright.sync_api import Page

from tests.pages.test_accessible import PHONE, WIDE, complaints

PATH = "/deployments/production/digits"


def opened(page: Page) -> Page:
    for summary in page.locator("details.lines summary").all():
        summary.click()
    assert page.locator("details.lines pre:visible").count() == 2
    return page


def test_what_a_runtime_wrote_is_text_and_nothing_else(open_page: Callable[..., Page]) -> None:
    asked: list[str] = []
    page = open_page(PATH, viewport=WIDE)
    page.on("request", lambda request: asked.append(request.url))
    opened(page)
    written = page.locator("details.lines pre").nth(1)
    assert "<script>document.title='owned'</script>" in written.inner_text()
    assert "</pre></details><h1>not yours</h1>" in written.inner_text()
    assert written.locator("*").count() == 0
    assert page.locator("main h1").count() == 1
    assert page.locator("main script, main img").count() == 0
    assert "owned" not in page.title()
    assert "\u202e" not in written.inner_text()
    assert "\x1b" not in written.inner_text()
    assert [url for url in asked if "/x" in url] == []


def test_opened_lines_have_no_violation_in_either_theme_and_on_a_phone(
    open_page: Callable[..., Page],
) -> None:
    page = opened(open_page(PATH, viewport=WIDE, bypass_csp=True))
    for theme, size in (("light", WIDE), ("dark", WIDE), ("dark", PHONE)):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size(size)
        assert complaints(page) == [], (theme, size)
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]
