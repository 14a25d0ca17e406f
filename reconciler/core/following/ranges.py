"""Ranges of versions, such as `>=7 <9 !=8`: whole numbers, all parts must hold. Pure."""

import re
from dataclasses import dataclass

from registry.core import names
from registry.errors import InvalidInput

_PART = r"(>=|<=|!=|=|>|<)?[ ]*([0-9]{1,19})"
_RANGE = re.compile(rf"[ ]*{_PART}(?:(?:[ ]*,[ ]*|[ ]+){_PART})*[ ]*")
_FROM, _UP_TO = frozenset({">=", ">", "=", ""}), frozenset({"<=", "<", "=", ""})
_NEWEST = 2**63 - 1
_FIX = 'write it like ">=7 <9": numbers after >=, >, <=, <, = or !=, with spaces between'


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, both in it, `without` some."""

    low: int
    high: int
    without: frozenset[int]

    def has(self, version: int) -> bool:
        """Whether `version` is in it."""
        return self.low <= version <= self.high and version not in self.without


def parse(text: str) -> Range:
    """Raises `InvalidInput` for what is no range, and for one in which no version can be."""
    if not _RANGE.fullmatch(text):
        raise InvalidInput(f"{text[:60]!r} is no range of versions", fix=_FIX)
    parts = [(sign, names.version(int(number))) for sign, number in re.findall(_PART, text)]
    low = max([1, *(number + (sign == ">") for sign, number in parts if sign in _FROM)])
    high = min([_NEWEST, *(number - (sign == "<") for sign, number in parts if sign in _UP_TO)])
    without = {number for sign, number in parts if sign == "!="}
    found = Range(low, high, frozenset(without))
    if high - low < len(without) and not any(map(found.has, range(low, high + 1))):
        raise InvalidInput(f"no version can be in the range {text[:60]!r}", fix=_FIX)
    return found
