"""Lists of plain numbers in JSON, told apart from all else without a look at each type.

numpy is never given a list before it is known to hold no text: it would make room in each
element for the longest one, which a request of a megabyte can make a hundred gigabytes.
"""

from itertools import chain
from typing import Any

from runtime.protocols import json_faults

_SEARCHES = 16


def may_have_booleans(data: bytes) -> bool:
    """Whether there may be a boolean in this JSON, which `bare` and numpy take for a number.

    A search for the words takes as long as reading the numbers; a search for a letter does not,
    and these two are in few of the protocols' own names.
    """
    return _may_have(b"true", b"u", data) or _may_have(b"false", b"l", data)


def bare(value: object) -> tuple[list[int], list[Any]] | None:
    """Shape and leaves in row-major order of lists that hold numbers, or booleans, and nothing
    else; None for whatever else it is, and for what is ragged, empty or too deep."""
    if type(value) is not list:
        return None
    shape = [len(value)]
    level: list[Any] = value
    while level and type(level[0]) is list:
        try:
            sizes = set(map(len, level))
        except TypeError:
            return None
        if len(sizes) != 1 or len(shape) > json_faults.DEEPEST:
            return None
        shape.append(sizes.pop())
        level = list(chain.from_iterable(level))
    try:
        # A few nanoseconds each, and it refuses all that is no number: text, null, lists, objects.
        sum(level)
    except (TypeError, OverflowError):
        return None
    return (shape, level) if level else None


def _may_have(word: bytes, letter: bytes, data: bytes) -> bool:
    at = -1
    for _ in range(_SEARCHES):
        at = data.find(letter, at + 1)
        if at < 0:
            return False
        if data.startswith(word, at - word.index(letter)):
            return True
    return True
