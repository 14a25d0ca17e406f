"""Sends the pages' forms as a browser does: with its cookie, from our own page, with the token."""

from collections.abc import Callable
from html.parser import HTMLParser

import httpx2

from registry.usecases.access import Role

OWN = {"sec-fetch-site": "same-origin"}


def signed_in(
    client_of: Callable[..., httpx2.Client], role: Role, name: str = "olga"
) -> httpx2.Client:
    """A browser that has signed in with a token of this role."""
    token = client_of(role, name).headers["Authorization"].removeprefix("Bearer ")
    browser = client_of()
    browser.headers["Accept"] = "text/html"
    assert browser.post("/login", data={"token": token}, headers=OWN).status_code == 303
    return browser


class _Inputs(HTMLParser):
    """The inputs of a page, with what stands in them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "input" and (name := said.get("name")):
            self.found[name] = said.get("value") or ""


def inputs(browser: httpx2.Client, address: str) -> dict[str, str]:
    """What the form at `address` sends without anybody typing."""
    page = _Inputs()
    page.feed(browser.get(address).text)
    return page.found


def send(
    browser: httpx2.Client, address: str, fields: dict[str, str], **headers: str
) -> httpx2.Response:
    """Open the form, fill it in and send it."""
    filled = inputs(browser, address) | fields
    place = address.partition("?")[0]
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return browser.post(place, data=filled, headers=OWN | said)
