"""A lived-in registry behind a real port, and Debian's Chromium, which reaches nothing else."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from registry.api.server import Server
from registry.usecases import access
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from tests.pages import population
from tests.registry.publishing import Publisher

ROOT = Caller(Role.ADMIN, "root")
# A name that a page asks for is not found, whatever it is: all must come from the registry.
_LOUD = frozenset({"error", "warning"})
# Playwright's five seconds are little beside other tests.
expect.set_options(timeout=60_000)
_CLOSED = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"


@dataclass(frozen=True)
class Site:
    """Where the registry is, and a token for its pages."""

    url: str
    token: str
    registry: Registry


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Not for longer: while it is there, an event loop runs that others' tests would be in."""
    program = shutil.which("chromium")
    assert program, "Chromium is not installed (apt-get install chromium)"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", _CLOSED]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests of a module: pages only read, and what tests report they report anew."""
    folder: Path = tmp_path_factory.mktemp("registry")
    settings, alice = population.settings(folder), Publisher()
    alice.list_in(settings.publishers_file)
    server = Server(settings)
    server.start()
    registry = server.app.state.registry
    population.fill(registry, alice)
    token = access.mint(registry, role=Role.AUDITOR, name="eve", by=ROOT)
    yield Site(server.addresses[0], token, registry)
    server.stop()


@pytest.fixture
def open_page(chromium: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """A signed-in page; keywords are those of a browser context. What it logs fails the test."""
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def opened(path: str = "/", **options: Any) -> Page:
        context = chromium.new_context(base_url=site.url, **options)
        contexts.append(context)
        context.add_cookies([{"name": "plimsoll_token", "value": site.token, "url": site.url}])
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
