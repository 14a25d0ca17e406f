"""YAML text to plain values that remember where they stood, one document a file.

The dialect is small on purpose: what YAML 1.1 and 1.2 read alike, without anchors, tags, dates,
octal or other second ways to write a value. Built from the parser's events, so nothing unwelcome
is ever constructed; the parser is libyaml, which takes a thirtieth of the time of one in Python.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml
from yaml import events

from registry.errors import InvalidDesiredState

TEXT_LIMIT = 256 * 1024
DEPTH_LIMIT = 24

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Path: TypeAlias = tuple[str | int, ...]

_INT = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+([eE][+-]?[0-9]+)?")
_NUMBER_LIKE = re.compile(
    r"(?=.*[0-9])[-+]?(0[0-9]+|0[xob][0-9a-f_]+|[0-9_]+|[0-9_]*\.[0-9_]*(e[-+]?[0-9]+)?|[0-9]+e[-+]?[0-9]+)"
    r"|[-+]?\.(inf|nan)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*",
    re.IGNORECASE,
)
# What YAML does not allow, and beyond that what YAML 1.1 alone takes for the end of a line, and the
# mark that some editors put first, where it is not the first.
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
# The same parser in Python, where PyYAML was built without the library.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: line and column from 1, and its slice of the text."""

    line: int
    column: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one file."""

    path: str
    line: int
    column: int
    message: str
    fix: str = ""

    @property
    def detail(self) -> str:
        """`file:line:column: what is wrong`."""
        return f"{self.path}:{self.line}:{self.column}: {self.message}"

    def error(self) -> InvalidDesiredState:
        """The problem as an exception."""
        return InvalidDesiredState(self.detail, fix=self.fix)


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its value, and the place of every value and key in it."""

    path: str
    value: dict[str, Value]
    values: dict[Path, Place]
    keys: dict[Path, Place]

    def problem(self, at: Path, message: str, *, fix: str = "", key: bool = False) -> Problem:
        """A problem with the value (or key) at `at`, or with what is nearest above it."""
        for length in range(len(at), -1, -1):
            places = self.keys if key and length == len(at) else self.values
            if place := places.get(at[:length]):
                return Problem(self.path, place.line, place.column, message, fix)
        return Problem(self.path, 1, 1, message, fix)


@dataclass(frozen=True, slots=True)
class Words:
    """A good file once it is read. The places in it, which take ten times its own size, are found
    again where there is something to say about one of them."""

    path: str
    data: bytes

    def problem(self, at: Path, message: str, *, fix: str = "", key: bool = False) -> Problem:
        """A problem with the value (or key) at `at`, or with what is nearest above it."""
        match read(self.path, self.data):
            case Document() as document:
                return document.problem(at, message, fix=fix, key=key)
            case Problem() as problem:
                return problem


class _Unreadable(Exception):
    """Carries a problem from inside the walk to `read`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def read(path: str, data: bytes) -> Document | Problem:
    """The one mapping in `data`, or the first thing that is wrong with it."""
    if len(data) > TEXT_LIMIT:
        fix = "split it: one deployment, host or template a file"
        return Problem(path, 1, 1, f"the file has {len(data)} bytes, at most {TEXT_LIMIT}", fix)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Problem(path, line, 1, "the file is not UTF-8", "save it as UTF-8")
    if forbidden := _FORBIDDEN.search(text, int(text.startswith("\ufeff"))):
        before = text[: forbidden.start()]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        message = f"the character U+{ord(forbidden[0]):04X} is not allowed"
        return Problem(path, line, column, message, "remove it")
    try:
        return _Walk(path, text).document()
    except yaml.YAMLError as error:
        return _syntax_problem(path, text, error)
    except _Unreadable as error:
        return error.problem


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`did you mean 'x'?`, or all there is when nothing is close."""
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"use one of: {', '.join(sorted(known))}"


class _Walk:
    """One pass over the events of one text."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._events: Iterator[events.Event] = yaml.parse(text, Loader=_LOADER)
        self._values: dict[Path, Place] = {}
        self._keys: dict[Path, Place] = {}

    def document(self) -> Document:
        value: Value = None
        documents = 0
        for event in self._events:
            if isinstance(event, events.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._unreadable(
                        event, "a second document starts here", "write one file for each"
                    )
                value = self._value(next(self._events), ())
        if not isinstance(value, dict):
            fix = "start it with: apiVersion: plimsoll.dev/v1"
            raise _Unreadable(Problem(self._path, 1, 1, "the file holds no mapping", fix))
        return Document(self._path, value, self._values, self._keys)

    def _value(self, event: events.Event, at: Path) -> Value:
        if isinstance(event, events.AliasEvent) or getattr(event, "anchor", None):
            raise self._unreadable(
                event, "anchors and aliases are not allowed", "write the value out"
            )
        if tag := getattr(event, "tag", None):
            raise self._unreadable(event, f"the tag {tag} is not allowed", "write a plain value")
        if len(at) > DEPTH_LIMIT:
            raise self._unreadable(event, f"nested deeper than {DEPTH_LIMIT} levels", "flatten it")
        self._values[at] = _place(event)
        if isinstance(event, events.MappingStartEvent):
            return self._mapping(at)
        if isinstance(event, events.SequenceStartEvent):
            return self._sequence(at)
        if isinstance(event, events.ScalarEvent):
            return self._scalar(event)
        raise self._unreadable(event, "a value is missing", "write one")

    def _mapping(self, at: Path) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while not isinstance(event := next(self._events), events.MappingEndEvent):
            if not isinstance(event, events.ScalarEvent) or event.anchor or event.tag:
                braces = isinstance(event, events.MappingStartEvent)
                quoted = '; put a placeholder into quotes: "{{name}}"' if braces else ""
                raise self._unreadable(
                    event, "a key must be a plain word", f"write key: value{quoted}"
                )
            name = event.value
            if name in found:
                first = self._keys[*at, name].line
                fix = f"remove this one or the one in line {first}"
                raise self._unreadable(event, f"the key {name!r} is written twice", fix)
            if name == "<<":
                raise self._unreadable(event, "merge keys are not allowed", "write the fields out")
            self._keys[*at, name] = _place(event)
            found[name] = self._value(next(self._events), (*at, name))
        return found

    def _sequence(self, at: Path) -> list[Value]:
        found: list[Value] = []
        while not isinstance(event := next(self._events), events.SequenceEndEvent):
            found.append(self._value(event, (*at, len(found))))
        return found

    def _scalar(self, event: events.ScalarEvent) -> Value:
        text = str(event.value)
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        if _NUMBER_LIKE.fullmatch(text):
            fix = f'write "{text}" with quotes for text, or a plain decimal number'
            raise self._unreadable(event, f"{text} can be read in more than one way", fix)
        return text

    def _unreadable(self, event: events.Event, message: str, fix: str) -> _Unreadable:
        place = _place(event)
        return _Unreadable(Problem(self._path, place.line, place.column, message, fix))


def _place(event: events.Event) -> Place:
    start: Any = event.start_mark  # a parser always says where
    end: Any = event.end_mark
    return Place(start.line + 1, start.column + 1, start.index, end.index)


def _syntax_problem(path: str, text: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = getattr(error, "problem", None) or str(error).splitlines()[0]
    line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
    opened = getattr(error, "context_mark", None)
    if mark is not None and not text[mark.index :].strip():  # what was opened is never closed
        begun = opened is not None and text[opened.index :].strip()
        whole = text[: opened.index] if opened is not None and begun else text.rstrip()
        line, column = whole.count("\n") + 1, len(whole) - (whole.rfind("\n") + 1) + 1
        context = getattr(error, "context", None)
        said = f"{said}, {context}" if context else said
    if mark is not None and text[mark.index : mark.index + 1] == "\t":
        return Problem(path, line, column, "not YAML: a tab begins nothing", "write spaces")
    return Problem(path, line, column, f"not YAML: {said}", "check indentation and quotes")
