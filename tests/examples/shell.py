"""Shell, as far as it calls us: which commands it has, and what the program says of each."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

from typer.exceptions import TyperException
from typer.main import get_command

from registry.cli import program

_BEFORE = {"do", "then", "else", "if", "until", "while", "!", "$", "{"}
_HERE_DOCUMENT = re.compile(r"<< ?'?(\w+)'?(.*?\n).*?^\1$", re.DOTALL | re.MULTILINE)
_TOKEN = re.compile(
    r"""(?P<gap>[ \t]+|\#[^\n]*|\d?>&\d|\d?>>?\ *[^\s;|&)]+|<\ *[^\s(;|&)]+)
    |(?P<end>\n|;;|&&|\|\||[;|()&])
    |(?P<word>(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;|()&'"\\])+)""",
    re.DOTALL | re.VERBOSE,
)
_PLIMSOLL = get_command(program.build())


def commands(script: str) -> Iterator[list[str]]:
    """The words of each simple command in `script`, also of those inside `$(…)`."""
    script = _HERE_DOCUMENT.sub(r"\2", script).replace("\\\n", " ")
    for inner in re.findall(r'"[^"]*\$\(([^()]*)\)', script):
        yield from commands(inner)
    words: list[str] = []
    at = 0
    for found in _TOKEN.finditer(f"{script};"):
        assert found.start() == at, f"no shell: {script[at : at + 20]!r}"
        at = found.end()
        if found["end"]:
            if words:
                yield words
            words = []
        elif (word := found["word"]) and (words or not _is_before(word)):
            words += shlex.split(word)


def _is_before(word: str) -> bool:
    return word in _BEFORE or re.match(r"\w+=", word) is not None


def complaints(words: list[str], *, whole: bool) -> str:
    """What the program would say of `plimsoll WORDS`; empty if it would take them.

    `whole`: as it is typed. Otherwise in prose, where a command may be named without what it needs.
    """
    command, called, rest = _PLIMSOLL, "plimsoll", words[1:]
    while rest and (below := getattr(command, "commands", None)):
        if rest[0].startswith("-"):
            break
        if rest[0] not in below:
            if rest[0] in {"COMMAND", "…"} and not whole:
                return ""
            return f"{called} has no command {rest[0]!r}"
        called, command, rest = f"{called} {rest[0]}", below[rest[0]], rest[1:]
    if getattr(command, "commands", None) and not getattr(command, "invoke_without_command", 0):
        return f"{called} needs a command" if whole and "--help" not in rest else ""
    return _parsed(command, called, rest, whole=whole)


def _parsed(command: Any, called: str, rest: list[str], *, whole: bool) -> str:
    context = type(command).context_class(command, info_name=called, resilient_parsing=not whole)
    try:
        given, left, _order = command.make_parser(context).parse_args(list(rest))
    except TyperException as error:
        return f"{called}: {error.format_message()}" if whole or "--" in str(error) else ""
    if left:
        return f"{called} takes no {left[0]!r}"
    for one in command.params:
        value = given.get(one.name)
        choices = getattr(one.type, "choices", None)
        if choices is not None and isinstance(value, str):
            named = [getattr(choice, "value", choice) for choice in choices]
            if value not in named:
                return f"{called}: {value!r} is not one of {named}"
        if whole and one.required and "--help" not in rest and value in (None, (), []):
            return f"{called} needs {one.name}"
    return ""
