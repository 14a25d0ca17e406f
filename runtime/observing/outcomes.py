"""What was answered, until somebody says what was right: joined by request id, then counted.

Nothing is kept until it is asked for, and then only what one output said: a class, or a number. Of
each version the last so many wait, for a limited time and in memory alone: after a restart those
that waited are unknown, and counting begins anew.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from registry.core import fields
from registry.core.canonical import Json
from runtime.inference.asked import Asked, Outcome
from runtime.observing.current import current
from runtime.observing.rows import Misfit, columns, rows, tops

_MOST_VALUES = 32_768
_MOST_ROWS = 64
_WINDOW_S = 7 * 86_400.0

Values = tuple[str | float, ...]


class Said(StrEnum):
    """What came of one label."""

    JOINED = "joined"
    UNKNOWN = "unknown"
    REPEATED = "repeated"
    CONTRADICTING = "contradicting"
    AMBIGUOUS = "ambiguous"
    UNFIT = "unfit"


@dataclass(frozen=True, slots=True)
class Judged:
    """`output` is what a label speaks of; `kind` is `class` (integers, texts, the place of the
    highest score) or `number`. `purpose` is what for: another one begins anew."""

    output: str
    kind: str
    purpose: str = ""


@dataclass(slots=True)
class _Waiting:
    """`is_ambiguous` where two requests had this id and were answered differently."""

    at: float
    values: Values
    label: Values | None = None
    is_ambiguous: bool = False


@dataclass(slots=True)
class _Tally:
    """Of `labelled` values so many were `right`; the differences of numbers, and their squares."""

    labelled: int = 0
    right: int = 0
    absolute: float = 0.0
    squared: float = 0.0


class Outcomes:
    """Those of one version. One output is judged at a time: to ask for another begins anew."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._judged: Judged | None = None
        self._until = 0.0
        self._begin()

    def keep(self, asked: Asked, outcome: Outcome) -> None:
        """Remember what was answered, where that is asked for and the request has an id."""
        if self._judged is None:
            return
        now, name = self._clock(), current().id
        if now > self._until:
            self._judged = None
            self._begin()
            return
        if not name:
            self._nameless += 1
            return
        values = self._values(self._judged, asked, outcome)
        if values is None:
            return
        known = self._waiting.get(name)
        if known is not None:
            if known.values != values:
                known.is_ambiguous = True
            return
        self._waiting[name] = _Waiting(now, values)
        self._kept += len(values)
        self._open += 1
        self._forget(now)

    def watch(self, judged: Judged, seconds: float) -> dict[str, Json]:
        """What labels came to so far; answers are kept for so many seconds from now."""
        now = self._clock()
        if judged != self._judged:
            self._judged = judged
            self._begin()
        self._until = max(self._until, now + seconds)
        self._forget(now)
        tally = self._tally
        return {
            "since": self._since,
            "labelled": tally.labelled,
            "right": tally.right,
            "absolute": tally.absolute,
            "squared": tally.squared,
            "waiting": self._open,
            "nameless": self._nameless,
            "problem": self._problem or None,
        }

    def label(self, request_id: str, label: Json) -> Said:
        """Join what was right to what was answered; the first label that fits is the one that
        counts."""
        self._forget(self._clock())
        waiting = self._waiting.get(request_id)
        if waiting is None or self._judged is None:
            return Said.UNKNOWN
        if waiting.is_ambiguous:
            return Said.AMBIGUOUS
        told = _told(label, self._judged, len(waiting.values))
        if told is None:
            return Said.UNFIT
        if waiting.label is not None:
            return Said.REPEATED if waiting.label == told else Said.CONTRADICTING
        waiting.label = told
        self._open -= 1
        for one, other in zip(waiting.values, told, strict=True):
            self._count(one, other)
        return Said.JOINED

    def _count(self, answered: str | float, right: str | float) -> None:
        tally = self._tally
        tally.labelled += 1
        tally.right += answered == right
        if isinstance(answered, float) and isinstance(right, float):
            apart = answered - right
            tally.absolute += abs(apart)
            tally.squared += apart * apart

    def _values(self, judged: Judged, asked: Asked, outcome: Outcome) -> Values | None:
        array = outcome.outputs.get(judged.output)
        if array is None and asked.outputs:
            return None
        if array is None:
            names = ", ".join(sorted(outcome.outputs)) or "none"
            self._problem = f"there is no output {judged.output!r}, but {names}"
            return None
        found = rows(array)
        if len(found) > _MOST_ROWS:
            self._problem = f"a request has {len(found)} rows, at most {_MOST_ROWS} are judged"
            return None
        try:
            if judged.kind == "class":
                return tuple(tops(found, None))
            return tuple(float(value) for value in columns(found, None))
        except Misfit as misfit:
            self._problem = f"output {judged.output!r} {misfit}"
            return None

    def _forget(self, now: float) -> None:
        while self._waiting:
            oldest = next(iter(self._waiting.values()))
            if self._kept <= _MOST_VALUES and oldest.at > now - _WINDOW_S:
                return
            self._waiting.popitem(last=False)
            self._kept -= len(oldest.values)
            self._open -= oldest.label is None

    def _begin(self) -> None:
        self._since = secrets.token_hex(8)
        self._tally = _Tally()
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._kept = self._open = self._nameless = 0
        self._problem = ""


def _told(label: Json, judged: Judged, count: int) -> Values | None:
    """One value for each row; None for what is none."""
    found = label if isinstance(label, list) else [label]
    if len(found) != count:
        return None
    if judged.kind == "number":
        numbers = tuple(one for one in map(fields.finite, found) if one is not None)
        return numbers if len(numbers) == count else None
    texts = tuple(_text(one) for one in found if isinstance(one, str | int))
    return texts if len(texts) == count else None


def _text(label: str | int) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)
