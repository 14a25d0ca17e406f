"""The documentation as a site: strictly built, complete, read from a folder, and asking nobody."""

import hashlib
from pathlib import Path
from urllib.parse import urldefrag, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ViewportSize, expect

from tests.site.seen import Seen

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SHOWN = ["index", "agent"]
SIZES: list[tuple[str, ViewportSize]] = [
    ("light", {"width": 1280, "height": 860}),
    ("dark", {"width": 390, "height": 844}),
]
# A wide table scrolls, and browsers give what scrolls the keyboard's focus by themselves.
_RULES = {
    "runOnly": ["wcag2a", "wcag2aa"],
    "preload": False,  # axe would ask for style sheets, which a browser denies to files
    "rules": {"scrollable-region-focusable": {"enabled": False}},
}


@pytest.fixture(scope="session")
def pages(built: Path) -> dict[Path, Seen]:
    return {path: Seen(path.read_text()) for path in built.rglob("*.html")}


def test_every_page_of_the_repository_is_a_page_of_the_site(pages: dict[Path, Seen]) -> None:
    """The build itself ends where a page is in no menu."""
    assert len(pages) >= len(PAGES)


def test_a_page_loads_nothing_from_elsewhere(pages: dict[Path, Seen]) -> None:
    for path, seen in pages.items():
        assert seen.loaded
        assert [one for one in seen.loaded if urlparse(one).netloc] == [], path


def test_every_link_and_anchor_leads_somewhere_in_raw_html_too(
    built: Path, pages: dict[Path, Seen]
) -> None:
    for path, seen in pages.items():
        if path.name == "404.html":  # its links start at the site's root, wherever that is
            continue
        for link in [*seen.led, *seen.loaded]:
            name, anchor = urldefrag(link.split("?")[0])
            if urlparse(name).scheme:
                continue
            target = (path.parent / name).resolve() if name else path
            assert target.is_relative_to(built), f"{path}: {link}"
            assert target.exists(), f"{path}: {link}"
            if anchor and target in pages:
                assert anchor in pages[target].ids or anchor.startswith("__"), f"{path}: {link}"


def test_every_decision_is_listed(built: Path, pages: dict[Path, Seen]) -> None:
    listed = set(pages[built / "adr" / "index.html"].led)
    written = {path.with_suffix(".html").name for path in (DOCS / "adr").glob("0*.md")}
    assert written <= listed


def test_what_is_vendored_is_what_it_was() -> None:
    """iframe-worker 1.0.4, MIT: search in a folder without a server."""
    script = (DOCS / "assets" / "iframe-worker-1.0.4.min.js").read_bytes()
    assert hashlib.sha256(script).hexdigest().startswith("e8e412dbcfea9b7e31b5ffa288d7b603")


@pytest.mark.parametrize(("theme", "size"), SIZES)
def test_pages_are_accessible_fit_and_load_all_from_their_folder(
    chromium: Browser, built: Path, theme: str, size: ViewportSize
) -> None:
    context = chromium.new_context(color_scheme=theme, viewport=size)  # type: ignore[arg-type]
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    for name in SHOWN:
        page.goto((built / f"{name}.html").as_uri())
        found = Axe().run(page, options=_RULES).response
        wrong = [
            f"{one['id']}: {node['html'][:120]} {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"]
        ]
        assert wrong == [], name
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], name
    context.close()
    assert said == []
    assert asked
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_the_reader_chooses_a_theme_and_pictures_follow(chromium: Browser, built: Path) -> None:
    context = chromium.new_context(color_scheme="light")
    page = context.new_page()
    page.goto((built / "pages.html").as_uri())
    dark, light = (
        page.locator("img[src*='overview-dark']"),
        page.locator("img[src*='overview-light']"),
    )
    expect(light).to_be_visible()
    expect(dark).to_be_hidden()
    for _ in range(2):  # from the system's to light, to dark
        page.locator("form.md-header__option label:visible").click()
    expect(dark).to_be_visible()
    expect(light).to_be_hidden()
    assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"
    context.close()


def test_search_finds_a_word_without_a_server(chromium: Browser, built: Path) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto((built / "index.html").as_uri())
    page.locator("input.md-search__input").fill("quarantine")
    found = page.locator(".md-search-result__item a").first
    expect(found).to_be_visible()
    assert "quarantine" in page.locator(".md-search-result__list").inner_text().lower()
    context.close()
