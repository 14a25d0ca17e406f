"""One table of a TOML configuration, read strictly: what nobody takes out is an error."""

import tomllib
from typing import TypeVar

from registry.errors import InvalidConfig

T = TypeVar("T", str, int, float, bool)

_FIX = "docs/configuration.md lists the settings there are"


def unreadable(file: str, error: Exception) -> InvalidConfig:
    """What to say where the configuration itself could not be read."""
    why = getattr(error, "strerror", None) or error
    return InvalidConfig(
        f"{file} cannot be read: {why}",
        fix="name it with --config, or be where plimsoll.toml is, as a user who may read it",
    )


class Table:
    """Take each setting once, then `finish`. Errors name the file and the setting."""

    def __init__(self, file: str, name: str, values: dict[str, object]) -> None:
        self._file = file
        self._name = name
        self._left = dict(values)

    def take(self, name: str, kind: type[T], default: T | None = None) -> T:
        """The setting `name`; without a default it must be there. Whole numbers are floats too."""
        value = self._left.pop(name, default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return kind(value)
        if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
            return value
        raise self.error(name, f"must be {_WORDS[kind]}, found {_shown(value)}")

    def optional(self, name: str) -> str | None:
        """The text setting `name`, or None where it is left out."""
        return self.take(name, str) if name in self._left else None

    def has(self, name: str) -> bool:
        """Whether the setting is there, and nobody took it yet."""
        return name in self._left

    def default(self, name: str, value: str) -> None:
        """Another default for the text setting `name`, where it is left out."""
        self._left.setdefault(name, value)

    def texts(self, name: str, default: list[str]) -> list[str]:
        """The setting `name`, a list of texts."""
        value = self._left.pop(name, default)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(name, f"must be a list of texts, found {_shown(value)}")
        return value

    def tables(self, name: str) -> "list[Table]":
        """The setting `name`, a list of tables (`[[…]]`); each has to be finished too."""
        value = self._left.pop(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(name, f"must be a list of tables, found {_shown(value)}")
        return [
            Table(self._file, f"{self._name}.{name}[{at}]", item) for at, item in enumerate(value)
        ]

    def finish(self) -> None:
        """Refuse what was not taken."""
        if self._left:
            raise self.error(min(self._left), "is not a setting")

    def error(self, name: str, what: str) -> InvalidConfig:
        """An error about the setting `name`."""
        return InvalidConfig(f"{self._file}: {self._name}.{name} {what}", fix=_FIX)


def has(text: str, name: str) -> bool:
    """Whether a TOML document has the table `name`; False for what is no document."""
    try:
        return name in tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False


def parse(text: str, name: str, *, file: str) -> Table:
    """The table `name` of a TOML document; settings outside of tables are refused."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(f"{file}: {error}", fix=_FIX) from error
    for key, value in document.items():
        if not isinstance(value, dict):
            raise InvalidConfig(f"{file}: {key} stands outside of a table", fix=_FIX)
    if name not in document:
        raise InvalidConfig(f"{file}: the table [{name}] is missing", fix=_FIX)
    return Table(file, name, document[name])


_WORDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)
