"""Tables as docs/watermark.md shows them: kept beside the trained networks until they are taken in.

`python -m bench.watermark.tables` puts those of the last run into the document, each between
its two marks. Nobody copies a number by hand.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.watermark.trained import KEPT, ROOT

PAGE = ROOT / "docs" / "watermark.md"
_MARKED = re.compile(r"(<!-- table: ([a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Table:
    """`name` is that of its place in the document; the first column is text."""

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table alone."""
        rule = ["---", *["---:"] * (len(self.head) - 1)]
        return "".join(f"| {' | '.join(cells)} |\n" for cells in (self.head, rule, *self.rows))


def keep(table: Table, folder: Path = KEPT) -> None:
    """Write it where `taken_in` finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{table.name}.md").write_text(table.markdown(), encoding="utf-8")


def taken_in(page: str, folder: Path = KEPT) -> str:
    """The page with every table that was measured."""

    def replaced(found: re.Match[str]) -> str:
        measured = folder / f"{found[2]}.md"
        if not measured.exists():
            return found[0]
        return found[1] + measured.read_text(encoding="utf-8") + found[3]

    return _MARKED.sub(replaced, page)


def places(page: str) -> list[str]:
    """The names of the tables that a page wants."""
    return [found[2] for found in _MARKED.finditer(page)]


if __name__ == "__main__":
    PAGE.write_text(taken_in(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    for drawing in KEPT.glob("watermark-*.svg"):
        (PAGE.parent / drawing.name).write_bytes(drawing.read_bytes())
