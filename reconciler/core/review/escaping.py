"""Foreign text in Markdown: names and messages from Git and the registry are data, never markup.

Whoever opens a pull request writes file names, labels and messages. All of it stands in code
spans or fences that it cannot end: there no forge makes links, mentions, images or HTML of it.
"""

import re

_LIMIT = 300
_RUN = re.compile(r"`+")


def span(text: str, *, limit: int = _LIMIT) -> str:
    """`text` as a code span in one line."""
    line = visible(" ".join(text.split()))
    if len(line) > limit:
        line = f"{line[: limit - 1]}…"
    if not line:
        return ""
    fence = "`" * (_longest(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def cell(text: str) -> str:
    """The same for a table: a bar ends a cell, inside of a span too, where it is not escaped."""
    return span(text).replace("|", "\\|")


def fenced(lines: list[str], *, kind: str) -> str:
    """`lines` as a block of code."""
    text = "\n".join(visible(line) for line in lines)
    fence = "`" * max(3, _longest(text) + 1)
    return f"{fence}{kind}\n{text}\n{fence}"


def visible(text: str) -> str:
    """One line without what a reader cannot see: controls, and marks that turn text around."""
    return "".join(
        letter if letter.isprintable() else " " if letter == "\t" else "\ufffd" for letter in text
    )


def _longest(text: str) -> int:
    return max((len(run) for run in _RUN.findall(text)), default=0)
