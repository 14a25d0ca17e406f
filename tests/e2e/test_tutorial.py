"""docs/tutorial.md, then docs/for/: every command, in its order, in one shell.

From nothing to a bad version taken back, and what each of three kinds of people does next.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import shell
from tests.engines.rigs import free_port

DOCS = Path(__file__).parents[2] / "docs"
PAGE, CHINESE = (DOCS / "tutorial.md").read_text(), (DOCS / "tutorial.zh.md").read_text()
_PART = re.compile(r"^## ([^\n]*)\n((?:(?!^## ).)*)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: str) -> dict[str, str]:
    """What is to be typed, by heading."""
    return {name: "".join(blocks) for name, text in _PART.findall(page)
            if (blocks := _BLOCK.findall(text))}  # fmt: skip


FOR = [(DOCS / "for" / f"{who}.md").read_text() for who in ("engineers", "auditors", "operators")]
PARTS = commands(PAGE)
# What sets this environment up is what runs this test.
BEFORE, END = PARTS.pop("Before"), PARTS.pop("Put away")
for chapter in FOR:
    PARTS |= commands(chapter)
PARTS["Put away"] = END


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What each part said, in one shell, as it stands but for its ports."""
    home: Path = tmp_path_factory.mktemp("tutorial")
    ports = {shown: str(free_port()) for shown in ("8440", "8501")}
    script = "".join(f'echo; echo "## {name}"\n{typed}' for name, typed in PARTS.items())
    script = re.sub(r"(127\.0\.0\.1:|port: )(\d{4})\b", lambda m: m[1] + ports[m[2]], script)
    try:
        whole = shell.pasted(f"set -euo pipefail\n{script}", home)
        found = re.split(r"^## (.*)\n", whole, flags=re.MULTILINE)[1:]
        yield dict(zip(found[::2], found[1::2], strict=True))
    finally:
        subprocess.run(["pkill", "-f", f"runtime --config {home}"], check=False)


def test_every_command_of_the_tutorial_does_what_it_says(said: dict[str, str]) -> None:
    assert list(said) == list(PARTS)
    assert '{"predictions":' in said["Version 1 serves"]
    planned = said["Version 2, by a pull request"]
    assert "allowed: 1 deployment, 1 host touched" in planned
    assert "synced and healthy: digits@2" in planned
    refused = said["A bad version goes back"]
    assert "no, and that is right" in refused
    assert "version 3 failed acceptance: golden: accuracy" in refused
    assert "2" in re.findall(r'"version": ?"(\d)"', refused)
    assert "Revert production/digits to digits version 2" in refused
    assert refused.rstrip().splitlines()[-1].startswith("production/digits: synced and healthy")
    assert "intact: " in said["What an auditor finds"]


def test_every_command_of_the_chapters_does_what_it_says(said: dict[str, str]) -> None:
    assert "synced and healthy: digits@2" in said["Know when it is live"]
    assert "no difference: 1 hosts serve digits@2" in said["Know why it is not"]
    assert "intact: " in said["Is it whole?"]
    assert said["What served here, and why?"].count("serving") == 3
    assert "proven: entry 3 of " in said["Hand on a proof"]
    assert "report.html: 2 versions" in said["Write the report"]
    assert "\u2716" not in said["Is all well?"]
    assert "digits@2 | " in said["What does a host say?"]
    assert '{"predictions":' in said["Something dies"]
    assert "verdict  intact" in said["Save, and see that it can come back"]
    assert "0 versions would expire" in said["Save, and see that it can come back"]


def test_before_it_the_reader_sets_up_as_the_makefile_does() -> None:
    assert BEFORE == "make setup\n. .venv/bin/activate\n"


def test_the_chinese_tutorial_has_the_same_commands() -> None:
    """Comments are in its own language."""

    def typed(page: str) -> list[str]:
        text = "".join(_BLOCK.findall(page))
        return [re.sub(r" +#.*", "", line) for line in text.splitlines()]

    assert typed(CHINESE) == typed(PAGE)
