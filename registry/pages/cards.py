"""Model cards as HTML. They are strangers' Markdown: no HTML of theirs, no pictures, no scripts."""

from markdown_it import MarkdownIt
from markupsafe import Markup

from registry.core import card

_LOWEST = 6


def render(text: str) -> Markup:
    """The card below its front matter; its headings stand below the page's own."""
    # A link's scheme is checked by the parser: javascript:, vbscript:, file: and data: stay text.
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = reader.parse(card.body(text))
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1:]) + 2, _LOWEST)}"
    # Its renderer escapes all text; what comes out has only the tags that Markdown knows.
    return Markup(reader.renderer.render(tokens, reader.options, {}))  # noqa: S704
