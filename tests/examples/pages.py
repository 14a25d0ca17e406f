"""The fenced blocks and the inline commands of every page, with where they stand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A golden file, of which a test holds every byte (reconciler/core/review/test_review.py).
_NOT_OURS = {"docs/pull-requests/comment.md"}
_BLOCK = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`(plimsoll [^`]*[^`\s])`(?!`)")


@dataclass(frozen=True)
class Example:
    """One block, or one inline command, of one page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def names() -> list[str]:
    """Every page of the repository."""
    found = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    return [name for path in found if (name := path.relative_to(ROOT).as_posix()) not in _NOT_OURS]


def blocks() -> Iterator[Example]:
    """What stands between fences, its own indentation taken away."""
    for page in names():
        text = (ROOT / page).read_text()
        for found in _BLOCK.finditer(text):
            body = re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE)
            yield Example(page, text[: found.start()].count("\n") + 1, found[2], body)


def inline() -> Iterator[Example]:
    """Each `plimsoll …` in the prose; a backslash before a bar is the table's."""
    for page in names():
        # Below this heading the program's own list stands, which tests/test_docs.py compares.
        text = (ROOT / page).read_text().split("\n## All commands\n")[0]
        prose = _BLOCK.sub(lambda found: "\n" * found[0].count("\n"), text)
        for found in _INLINE.finditer(prose):
            line = prose[: found.start()].count("\n") + 1
            yield Example(page, line, "sh", found[1].replace("\\|", "|").replace("\n", " "))
