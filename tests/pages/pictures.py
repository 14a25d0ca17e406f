"""Makes pictures of pages: python -m tests.pages.pictures FOLDER [PATH ...]."""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from registry.api.server import Server
from registry.usecases import access
from registry.usecases.access import Role
from tests.pages import addresses, population
from tests.pages.conftest import ROOT
from tests.registry.publishing import Publisher


def take(folder: Path, paths: list[str]) -> None:
    """Light, dark and phone of each."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        settings, alice = population.settings(Path(data)), Publisher()
        alice.list_in(settings.publishers_file)
        server = Server(settings)
        server.start()
        population.fill(server.app.state.registry, alice)
        token = access.mint(server.app.state.registry, role=Role.AUDITOR, name="eve", by=ROOT)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for theme, width in (("light", 1280), ("dark", 1280), ("phone", 390)):
            context = browser.new_context(
                base_url=server.addresses[0],
                color_scheme="dark" if theme == "dark" else "light",
                viewport={"width": width, "height": 860},
            )
            cookie = {"name": "plimsoll_token", "value": token, "url": server.addresses[0]}
            context.add_cookies([cookie])
            page = context.new_page()
            for path in paths:
                page.goto(path)
                name = path.split("?")[0].strip("/").replace("/", "-") or "overview"
                page.screenshot(path=folder / f"{name}-{theme}.png", full_page=True)
            context.close()
        browser.close()
        server.stop()


if __name__ == "__main__":
    take(Path(sys.argv[1]), sys.argv[2:] or list(addresses.PAGES))
