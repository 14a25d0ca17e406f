"""Requests that differ in nothing but one list of numbers, of which the rest is read once.

A client's JSON is mostly the same from one request to the next, but for the numbers in it. Where
what stands before them and behind them is known to the byte, and is known to have a list at that
place, then any other flat list there leaves the rest as it was: only the numbers are read.
"""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

T = TypeVar("T")

# For less, all of it is read as quickly.
_SMALLEST_BYTES = 512
LARGEST_REST = 4096
_FORMS = 64
_PROBE = b'["?"]'


class Cut(NamedTuple):
    """A document in three: all before a list's `[`, the list, all behind its `]`."""

    before: bytes
    numbers: bytes
    after: bytes


def cut(document: bytes, start: int) -> Cut | None:
    """At the list that begins at `start`, or the innermost of those that begin there one in the
    other; None where there is none, or the rest is too much to keep."""
    if start < 0 or len(document) < _SMALLEST_BYTES:
        return None
    while document.startswith(b"[", start + 1):
        start += 1
    end = document.find(b"]", start) + 1
    if not end or start + len(document) - end > LARGEST_REST:
        return None
    return Cut(document[:start], document[start:end], document[end:])


def probed(found: Cut) -> Any:
    """The document with a list of one text, which no number is, in place of the numbers: where that
    comes up, whatever is put there will. None where it is no JSON then."""
    try:
        return orjson.loads(b"".join((found.before, _PROBE, found.after)))
    except orjson.JSONDecodeError:
        return None


def probe_depth(value: object) -> int | None:
    """In how many lists, each in the other and alone, the probe's list is: 0 where `value` is that
    list itself. None where it is not in there, or not alone."""
    depth = 0
    while isinstance(value, list) and len(value) == 1:
        if value[0] == "?":
            return depth
        value, depth = value[0], depth + 1
    return None


class Forms(Generic[T]):
    """What is known of the documents of each form. Bounded, and simply emptied when full: what is
    used comes back."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[bytes, T | None, bool]] = {}

    def find(self, found: Cut) -> T | None:
        """What `learn` kept for a document with the same rest."""
        known = self._known.get(found.before)
        return known[1] if known is not None and known[0] == found.after else None

    def learn(self, found: Cut, look: Callable[[], T | None]) -> None:
        """Keep what `look` says, once a document of this form came for the second time: most of
        those that come once do not come again."""
        known = self._known.get(found.before)
        if known is None or known[0] != found.after:
            if len(self._known) >= _FORMS:
                self._known.clear()
            self._known[found.before] = (found.after, None, False)
        elif not known[2]:
            self._known[found.before] = (found.after, look(), True)
