"""A page of HTML, as a reader and a browser see it."""

from html.parser import HTMLParser

_LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "srcset"}


class Seen(HTMLParser):
    """What a page loads, where it leads, what can be led to, and how often each tag occurs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.led: list[str] = []
        self.ids: set[str] = set()
        self.tags: dict[str, int] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.ids.add(found.get("id") or "")
        self.loaded += [found[name] or "" for name in [_LOADING.get(tag, "")] if name in found]
        if tag == "a":
            self.led.append(found.get("href") or "")
