"""docs/runtime/settings.md and http.md have every field of the runtime's file, and no other."""

import re
from pathlib import Path

from runtime import config, limits

DOCS = Path(__file__).parents[2] / "docs" / "runtime"
PAGE, LIMITS = (DOCS / "settings.md").read_text(), (DOCS / "http.md").read_text()
FILE, MODELS = re.split(r"^## .*$", PAGE, flags=re.MULTILINE)


def rows(part: str) -> list[list[str]]:
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def fields(part: str) -> set[str]:
    return {name for row in rows(part) for name in re.findall(r"`(\w+)`", row[0])}


def test_every_field_is_on_the_page_and_every_one_there_is_a_field() -> None:
    assert fields(FILE) == config._FIELDS
    assert fields(MODELS) == config._PIN_FIELDS
    assert fields(LIMITS) == set(limits._FIELDS)


def test_every_limit_is_as_the_page_says() -> None:
    told = {row[0].strip("`"): row[1] for row in rows(LIMITS)}
    assert told.pop("bodiesBytes") == "8 × `bodyBytes`"
    document = limits.Limits().document()
    assert document.pop("bodiesBytes") == 0
    assert told == {name: str(value) for name, value in document.items()}


def test_the_file_that_the_page_shows_is_read() -> None:
    shown = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert shown
    found = config.parse(shown[1].encode(), what="the page's file")
    assert found.limits.deadline_seconds == 10
    assert [(pin.model, pin.version) for pin in found.models] == [("fraud", 7)]
