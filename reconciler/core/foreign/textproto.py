"""Protocol buffers' text format, as far as configuration files use it, without their schemas.

Each field keeps its line, so that what is not understood can be pointed at. Strict: what is no
text format is an `InvalidInput` with its line, and nesting and size are bounded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from registry.errors import InvalidInput

_LARGEST = 1024 * 1024
_DEEPEST = 32
_TOKEN = re.compile(
    r"""(?P<blank>[\s]+|\#[^\n]*)|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<word>[A-Za-z0-9_.+-]+)|(?P<sign>[{}<>\[\]:,;])"""
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_CLOSING = {"{": "}", "<": ">"}

Value: TypeAlias = "str | Message"


@dataclass(frozen=True, slots=True)
class Field:
    """One value; a list `[a, b]` is as many fields."""

    name: str
    value: Value
    line: int


@dataclass(frozen=True, slots=True)
class Message:
    """Fields in their order, repeated ones each by itself."""

    fields: tuple[Field, ...] = ()

    def all(self, name: str) -> list[Field]:
        return [field for field in self.fields if field.name == name]

    def text(self, name: str, default: str = "") -> str:
        """The last scalar of that name, as the format has it."""
        found = [field.value for field in self.all(name) if isinstance(field.value, str)]
        return found[-1] if found else default

    def number(self, name: str) -> int:
        """0 where it is left out; raises `InvalidInput`."""
        text = self.text(name, "0")
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            line = self.all(name)[-1].line
            raise InvalidInput(f"line {line}: {name} is {text[:40]!r}, which is no whole number")
        return int(text)

    def message(self, name: str) -> "Message | None":
        found = self.messages(name)
        return found[-1] if found else None

    def messages(self, name: str) -> list["Message"]:
        return [field.value for field in self.all(name) if isinstance(field.value, Message)]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def parse(content: str) -> Message:
    """Raises `InvalidInput` that names the line."""
    if len(content) > _LARGEST:
        raise InvalidInput(f"the file has more than {_LARGEST} characters")
    reader = _Reader([*_tokens(content), _Token("end", "", content.count("\n") + 1)])
    return reader.message("", 0)


def _tokens(content: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(content):
        found = _TOKEN.match(content, position)
        if found is None or found.lastgroup is None:
            raise InvalidInput(f"line {line}: {content[position:][:20]!r} cannot be read")
        if found.lastgroup != "blank":
            yield _Token(found.lastgroup, found[0], line)
        line += found[0].count("\n")
        position = found.end()


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def message(self, closing: str, depth: int) -> Message:
        """Up to `closing`, or to the end of the file where that is empty."""
        if depth > _DEEPEST:
            raise InvalidInput(f"line {self._peek().line}: nested more than {_DEEPEST} deep")
        found: list[Field] = []
        while True:
            token = self._take()
            if token.text == closing and token.kind == ("sign" if closing else "end"):
                return Message(tuple(found))
            if token.text in {",", ";"} and token.kind == "sign" and found:
                continue
            if token.kind != "word":
                raise InvalidInput(f"line {token.line}: a field's name is missing before this")
            found += self._field(token, depth)

    def _field(self, name: _Token, depth: int) -> Iterator[Field]:
        scalars = {"word", "text"} if self._skip(":") else set()
        if not self._skip("["):
            yield self._value(name, depth, scalars)
            return
        while not self._skip("]"):
            yield self._value(name, depth, scalars)
            if not self._skip(",") and self._peek().text != "]":
                raise InvalidInput(f"line {self._peek().line}: the list of {name.text} has no end")

    def _value(self, name: _Token, depth: int, scalars: set[str]) -> Field:
        token = self._take()
        if token.kind == "sign" and token.text in _CLOSING:
            return Field(name.text, self.message(_CLOSING[token.text], depth + 1), name.line)
        if token.kind not in scalars:
            raise InvalidInput(f"line {token.line}: {name.text} has no value")
        if token.kind == "word":
            return Field(name.text, token.text, name.line)
        text = _unquoted(token.text)
        while self._peek().kind == "text":
            text += _unquoted(self._take().text)
        return Field(name.text, text, name.line)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._peek()
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _skip(self, sign: str) -> bool:
        token = self._peek()
        if token.kind == "sign" and token.text == sign:
            self._next += 1
            return True
        return False


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text[1:-1])
