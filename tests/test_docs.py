"""What the documents say is so: settings, errors, commands, links, schemas."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import markdown
import pytest
from markdown_it import MarkdownIt
from typer.main import get_command

from reconciler.core import kinds
from registry import errors
from registry.cli.program import build
from registry.exits import Exit
from registry.making import refusals as making
from runtime import refusals
from tests.cli import command_table
from tests.examples import pages as examples
from tests.examples.test_examples import READERS
from tests.site.seen import Seen

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text()


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def table_after(page: str, heading: str) -> list[list[str]]:
    """The cells of the table below `heading`, without its two head rows."""
    part = page.split(heading, 1)[1]
    part = part.split("\n## ", 1)[0]
    rows = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize(
    ("heading", "source"),
    [
        ("## `[registry]`", "registry/configuration*.py"),
        ("## `[reconciler]`", "reconciler/config.py reconciler/git_settings.py"),
        ("## `[agent]`", "reconciler/agent_settings.py"),
    ],
)
def test_every_setting_is_documented_and_every_documented_setting_exists(
    heading: str, source: str
) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    documented = {
        name for row in table_after(page, heading) for name in re.findall(r"`(\w+)`", row[0])
    }
    code = "".join(file.read_text() for one in source.split() for file in ROOT.glob(one))
    assert documented == set(re.findall(r'\.(?:take|optional|texts|tables)\(\s*"(\w+)"', code))


def all_errors(kind: type[errors.PlimsollError]) -> Iterator[type[errors.PlimsollError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from all_errors(child)


def test_every_error_is_documented_with_its_status_and_exit_code() -> None:
    for other in (refusals.SlowRequest, making.ParityFailed):  # their trees are a part of ours
        assert issubclass(other, errors.PlimsollError)
    page = (ROOT / "docs" / "errors.md").read_text()
    documented = {tuple(row[:3]) for row in table_after(page, "# Errors")}
    known = {
        (f"`{kind.code}`", str(kind.status), str(kind.exit_code))
        for kind in all_errors(errors.PlimsollError)
    }
    assert documented == known


def test_every_exit_code_is_documented_and_every_error_ends_with_one_of_them() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    documented = {(int(row[0]), row[1]) for row in table_after(page, "## Exit codes")}
    assert documented == {(code.value, f"`{code.name.lower()}`") for code in Exit}
    for kind in all_errors(errors.PlimsollError):
        assert isinstance(kind.exit_code, Exit), kind
        assert kind.exit_code not in {Exit.OK, Exit.CHANGES, Exit.USAGE, Exit.INTERRUPTED}, kind


def test_the_page_of_commands_is_as_the_program_says() -> None:
    """Written anew by `python -m tests.cli.command_table`."""
    assert command_table.PAGE.read_text() == command_table.page()


def test_error_codes_are_unique() -> None:
    codes = [kind.code for kind in all_errors(errors.PlimsollError)]
    assert len(codes) == len(set(codes))


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"^make ([a-z-]+)", page.read_text(), re.MULTILINE)) <= targets


def test_every_command_that_readme_names_exists() -> None:
    program = get_command(build())
    for words in re.findall(r"^plimsoll ([a-z]+)(?: ([a-z]+))?", README, re.MULTILINE):
        command = getattr(program, "commands", {}).get(words[0])
        assert command is not None, words
        below = getattr(command, "commands", None)
        assert below is None or words[1] in below, words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_every_published_schema_is_current() -> None:
    for name, kind in kinds.SCHEMAS.items():
        published = json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text())
        assert published == kinds.schema(kind)


def test_what_readme_shows_of_a_deployment_is_valid_but_for_its_digest() -> None:
    shown = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert shown
    from registry.core import documents

    text = shown[1].replace("sha256:…", "sha256:" + "0" * 64)
    document = documents.read("models.d/production/digits.yaml", text.encode())
    assert isinstance(document, documents.Document)
    assert isinstance(kinds.read(document), kinds.ModelDeployment)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """Written as `folder/test_file.py: test_name`, below tests/."""
    for file, name in re.findall(r"`([\w/]+\.py): (test_\w+)`", page.read_text()):
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(), f"{file}: {name}"


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "adr").glob("*.md")]
    assert len(numbers) == len(set(numbers))


def test_the_chinese_readme_has_the_same_commands() -> None:
    """Comments are in its own language."""

    def commands(text: str) -> list[str]:
        blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
        lines = (line.split("#")[0].rstrip() for block in blocks for line in block.splitlines())
        return [line for line in lines if line.startswith(("make ", "plimsoll "))]

    chinese = commands((ROOT / "README.zh.md").read_text())
    assert len(chinese) > 6
    assert chinese == [line for line in commands(README) if line in set(chinese)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_reads_the_same_here_and_in_the_repository(page: Path) -> None:
    """Forges read CommonMark, the site's renderer nearly: in a list, indent by four."""
    text = re.sub(r"\A---\n.*?\n---\n", "", page.read_text(), flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->|</?div[^>]*>|\{\.\w+\}", "", text, flags=re.DOTALL)
    forge = Seen(MarkdownIt("commonmark").enable("table").render(text))
    site = Seen(markdown.markdown(text, extensions=["tables", "pymdownx.superfences"]))
    for tag in ("li", "ol", "ul", "pre", "table", "tr", "blockquote", "h1", "h2", "h3"):
        assert site.tags.get(tag, 0) == forge.tags.get(tag, 0), f"<{tag}>"


def test_every_example_says_its_language() -> None:
    """And tests/examples gives it to what reads that."""
    silent = [str(block) for block in examples.blocks() if block.language not in READERS]
    assert silent == []


def test_every_page_is_in_the_menu_of_the_site() -> None:
    """`nav` in mkdocs.yml; decisions are listed by the build."""
    menu = set(re.findall(r": ([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {name for name in pages if not name.startswith("adr/0")} == menu | {
        "pull-requests/comment.md"
    }


def test_every_variable_of_the_command_line_is_documented() -> None:
    """`PLIMSOLL_TRIAL` is what a test of one's own is given, and no setting."""
    code = "".join(
        file.read_text()
        for name in ("registry", "reconciler")
        for file in (ROOT / name).rglob("*.py")
    )
    page = (ROOT / "docs" / "configuration.md").read_text()
    rows = table_after(page, "## Environment of the command line")
    documented = {name for row in rows for name in re.findall(r"`(PLIMSOLL_\w+)`", row[0])}
    assert documented == set(re.findall(r"\bPLIMSOLL_[A-Z_]+", code)) - {"PLIMSOLL_TRIAL"}
