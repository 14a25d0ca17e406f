"""Arguments put into what an analysis asks: `{{args.name}}` becomes text that stays a value.

In a PromQL query it may stand inside a quoted label value, where it is escaped, or be a plain
number or duration; in a URL it is percent-encoded; in a JSON value it stays inside its text.
Nothing that an argument holds can change what is asked. Raises `InvalidInput`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

from registry.core.canonical import Json
from registry.errors import InvalidInput

_PLACE = re.compile(r"\{\{\s*args\.([A-Za-z][A-Za-z0-9-]{0,62})\s*\}\}")
_ANY_BRACES = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?|([0-9]+(ms|[smhdwy]))+")
# A PromQL text in its quotes, a comment, or one character of the rest. A text may come after =~.
_TOKEN = re.compile(
    r"""(?P<regex>[=!]~\s*)?(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)"""
    r"""|(?P<comment>\#[^\n]*)|(?P<place>\{\{.*?\}\})|(?P<rest>.)""",
    re.DOTALL | re.VERBOSE,
)
_REGEX_SIGNS = re.compile(r"[\\.+*?()|\[\]{}^$]")


def names(text: str) -> Iterator[str]:
    """The arguments that `text` asks for; raises for braces that are no place for one."""
    for found in _ANY_BRACES.finditer(text):
        place = _PLACE.fullmatch(found[0])
        if place is None:
            raise InvalidInput(
                f"{found[0][:60]} is no argument", fix="write {{args.name}}, as in spec.args"
            )
        yield place[1]


def names_within(value: Json) -> Iterator[str]:
    """The arguments that the texts of a JSON value ask for."""
    match value:
        case str():
            yield from names(value)
        case list():
            for item in value:
                yield from names_within(item)
        case dict():
            for item in value.values():
                yield from names_within(item)
        case _:
            return


def into_query(query: str, args: Mapping[str, str]) -> str:
    """A PromQL query."""
    return "".join(_part(token, args) for token in _TOKEN.finditer(query))


def into_url(url: str, args: Mapping[str, str]) -> str:
    """A URL; each argument stays within the path segment or query value that it stands in."""
    return _filled(url, args, lambda value: quote(value, safe=""))


def into_json(value: Json, args: Mapping[str, str]) -> Json:
    """A JSON value, in all of its texts but the names of fields."""
    match value:
        case str():
            return _filled(value, args, str)
        case list():
            return [into_json(item, args) for item in value]
        case dict():
            return {name: into_json(item, args) for name, item in value.items()}
        case _:
            return value


def _part(token: re.Match[str], args: Mapping[str, str]) -> str:
    whole = token[0]
    if token["text"] is not None:
        if token["text"].startswith("`"):
            return _refused_in(whole, "a raw text in backticks cannot be escaped: use quotes")
        escape = _in_regex if token["regex"] else _in_text
        return _filled(whole, args, escape)
    if token["place"] is not None:
        return _filled(whole, args, _plain_number)
    return _refused_in(whole, "no argument may stand in a comment")


def _refused_in(text: str, why: str) -> str:
    if _ANY_BRACES.search(text):
        raise InvalidInput(why)
    return text


def _filled(text: str, args: Mapping[str, str], escape: Callable[[str], str]) -> str:
    missing = [name for name in names(text) if name not in args]
    if missing:
        raise InvalidInput(
            f"the argument {missing[0]} has no value", fix="give it one where the analysis is named"
        )
    return _PLACE.sub(lambda place: escape(args[place[1]]), text)


def _in_text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")
    if not value.isprintable():
        raise InvalidInput(f"an argument holds characters that cannot be printed: {value[:40]!r}")
    return escaped


def _in_regex(value: str) -> str:
    return _in_text(_REGEX_SIGNS.sub(lambda sign: f"\\{sign[0]}", value))


def _plain_number(value: str) -> str:
    if not _NUMBER.fullmatch(value):
        raise InvalidInput(
            f"{value[:40]!r} stands outside of quotes and is neither a number nor a duration",
            fix='put quotes around it: label="{{args.name}}"',
        )
    return value
