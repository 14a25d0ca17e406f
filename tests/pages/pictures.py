"""Makes pictures of pages: `python -m tests.pages.pictures FOLDER [PATH ...]`, light, dark, phone.

Without arguments, those of docs/pages.md: one screen each in both themes, small. What is in Chinese
needs a font for it (Debian: fonts-noto-cjk or fonts-wqy-zenhei).
"""

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from registry.api.server import Server
from registry.pages import language
from registry.usecases import access
from registry.usecases.access import Role
from tests.pages import addresses, population
from tests.pages.conftest import ROOT, Site
from tests.registry.publishing import Publisher

DOCS = Path(__file__).parents[2] / "docs" / "pages"
TRIED = 'verification.publisher == "alice"'
SHOWN = {
    "overview": "/",
    "deployment": "/deployments/production/digits",
    "compare": "/models/fraud/compare?a=8&b=9",
    "experiments": "/experiments",
    "policies": f"/policies?model=digits&version=3&expression={quote(TRIED)}",
    "entry": "/log/entry/20",
    "explained": "/models/digits/versions/3#explained",
}
CHINESE = {"chinese": "/"}
_WIDTH, _HEIGHT, _KEPT = 1200, 860, 900


@contextmanager
def lived_in() -> Iterator[tuple[Browser, Site]]:
    """A browser, and a registry that looks lived in."""
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        settings, alice = population.settings(Path(data)), Publisher()
        alice.list_in(settings.publishers_file)
        server = Server(settings)
        server.start()
        registry = server.app.state.registry
        population.fill(registry, alice)
        token = access.mint(registry, role=Role.ADMIN, name="ada", by=ROOT)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield browser, Site(server.addresses[0], token, registry)
        browser.close()
        server.stop()


def _context(
    browser: Browser, site: Site, theme: str, width: int, spoken: str = "en"
) -> BrowserContext:
    context = browser.new_context(
        base_url=site.url,
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": width, "height": _HEIGHT},
    )
    cookies = {"plimsoll_token": site.token, language.COOKIE: spoken}
    context.add_cookies(
        [{"name": name, "value": value, "url": site.url} for name, value in cookies.items()]
    )
    return context


def take(folder: Path, paths: list[str]) -> None:
    """Light, dark and phone of each, as long as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    with lived_in() as (browser, site):
        for theme, width in (("light", 1280), ("dark", 1280), ("phone", 390)):
            page = _context(browser, site, theme, width).new_page()
            for path in paths:
                page.goto(path)
                name = path.split("?")[0].strip("/").replace("/", "-") or "overview"
                page.screenshot(path=folder / f"{name}-{theme}.png", full_page=True)


def take_for_docs() -> None:
    """The first screen of each, in both themes."""
    DOCS.mkdir(exist_ok=True)
    with lived_in() as (browser, site):
        for theme in ("light", "dark"):
            for spoken, shown in (("en", SHOWN), ("zh", CHINESE)):
                page = _context(browser, site, theme, _WIDTH, spoken).new_page()
                for name, path in shown.items():
                    page.goto(path)
                    _keep(page.screenshot(), DOCS / f"{name}-{theme}.webp")


def _keep(png: bytes, file: Path) -> None:
    with Image.open(io.BytesIO(png)) as whole:
        small = whole.resize((_KEPT, _KEPT * _HEIGHT // _WIDTH), Image.Resampling.LANCZOS)
        small.save(file, quality=70, method=6)


if __name__ == "__main__":
    if sys.argv[1:]:
        take(Path(sys.argv[1]), sys.argv[2:] or list(addresses.PAGES))
    else:
        take_for_docs()
