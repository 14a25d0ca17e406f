"""How many requests a minute one caller may make, and how many wrong guesses one address.

Counted over a window that slides: what is left of the last minute, plus this one. Each process
counts for itself. What is kept is bounded, whoever calls; ADR 27 says why it is our own.
"""

import threading
import time
from ipaddress import IPv6Address, ip_address

from registry import errors
from registry.usecases.recent import Recent

_WINDOW_S = 60.0
_KEYS = 20_000


class Pace:
    """At most `limit` a minute for each key. Safe between threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        # The window's number, how many came in it, and how many in the one before.
        self._counts: Recent[str, tuple[int, int, int]] = Recent(_KEYS)

    def require(self, key: str, what: str, *, now: float | None = None) -> None:
        """Count one; raises RateLimited where it is one too many, which is not counted."""
        moment = time.monotonic() if now is None else now
        with self._lock:
            window, count, before = self._state(key, moment)
            left = self._excess(count, before, moment)
            if left <= 0:
                self._counts.put(key, (window, count + 1, before))
        if left > 0:
            raise _limited(what, self._limit, moment)

    def require_room(self, key: str, what: str, *, now: float | None = None) -> None:
        """Count nothing; raises RateLimited where one more would be too many."""
        moment = time.monotonic() if now is None else now
        with self._lock:
            _, count, before = self._state(key, moment)
        if self._excess(count, before, moment) > 0:
            raise _limited(what, self._limit, moment)

    def count(self, key: str, *, now: float | None = None) -> None:
        """Count one, however many there were."""
        moment = time.monotonic() if now is None else now
        with self._lock:
            window, count, before = self._state(key, moment)
            self._counts.put(key, (window, count + 1, before))

    def _state(self, key: str, now: float) -> tuple[int, int, int]:
        window = int(now // _WINDOW_S)
        known, count, before = self._counts.get(key) or (window, 0, 0)
        if known == window:
            return window, count, before
        return window, 0, count if known == window - 1 else 0

    def _excess(self, count: int, before: int, now: float) -> float:
        passed = (now % _WINDOW_S) / _WINDOW_S
        return count + 1 + before * (1 - passed) - self._limit


def of_address(text: str) -> str:
    """What is counted together: an address, or all that one IPv6 network's owner can choose."""
    try:
        found = ip_address(text)
    except ValueError:
        return text
    if isinstance(found, IPv6Address):
        return str(IPv6Address(int(found) >> 64 << 64))
    return str(found)


def _limited(what: str, limit: int, now: float) -> errors.RateLimited:
    # By the end of this window there is some room, for the one before no longer counts in full.
    return errors.RateLimited(
        f"{what}: more than {limit} in a minute",
        fix="wait as long as Retry-After says, then go on more slowly",
        after=_WINDOW_S - now % _WINDOW_S,
    )
