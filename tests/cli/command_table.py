"""Makes the list of commands in docs/command-line.md from the program itself.

`python -m tests.cli.command_table` writes it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from registry.cli import program

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
HEADING = "## All commands\n"
# On many commands alike; the page says once what they are.
EVERYWHERE = {"--server", "--token-file", "--output", "--config", "--help"}


def leaves(command: Any, words: str = "plimsoll") -> Iterator[tuple[str, Any]]:
    """Every command that does something, with the words that call it."""
    below = getattr(command, "commands", {})
    if not below or getattr(command, "invoke_without_command", False):
        yield words, command
    for name, one in sorted(below.items()):
        yield from leaves(one, f"{words} {name}")


def everything() -> dict[str, Any]:
    return dict(leaves(get_command(program.build())))


def table() -> str:
    """A row for each: how it is called, with its options, and the first sentence of its help."""
    rows = [f"| `{_usage(words, one)}` | {_sentence(one)} |" for words, one in everything().items()]
    return "\n".join(["| command | what it does |", "|---|---|", *rows]) + "\n"


def page() -> str:
    """The whole page, with the list as it must be."""
    before = PAGE.read_text().split(HEADING)[0]
    how = (
        "Made from the program by `python -m tests.cli.command_table`; a test compares it. "
        "Not repeated: `--server`,\n`--token-file`, `--output`, `--config`."
    )
    return f"{before}{HEADING}\n{how}\n\n{table()}"


def _usage(words: str, command: Any) -> str:
    given = [one for one in command.params if one.param_type_name == "argument"]
    options = [
        name if one.required else f"[{name}]"
        for one in command.params
        if one.param_type_name == "option" and not one.hidden
        if (name := max(one.opts, key=len)) not in EVERYWHERE
    ]
    arguments = [f"[{_metavar(one)}]" if not one.required else _metavar(one) for one in given]
    listed = " ".join([words, *arguments, *options])
    return listed.replace("|", "\\|")


def _metavar(argument: Any) -> str:
    return str(argument.metavar or argument.name).upper()


def _sentence(command: Any) -> str:
    text = " ".join((command.help or "").split())
    first = text.split(". ")[0].rstrip(".").replace("|", "\\|")
    return first if first.endswith("?") else f"{first}."


if __name__ == "__main__":
    PAGE.write_text(page())
