"""The lines that a runtime wrote, for a person: what is new, cut to a bound, and without secrets.

Engines give the last lines and no more. Who follows looks again and again; what is new is what
stands behind the part that was seen. Pure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

LINE_LIMIT = 4000
_HIDDEN = "(hidden)"
# What lets somebody in, should a runtime or a library ever write it: our tokens, headers, keys.
_SECRETS = (
    re.compile(r"\bplm_[0-9a-f]{16}_[A-Za-z0-9_-]{20,}"),
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"(?i)(?<=basic )[A-Za-z0-9+/=]{8,}"),
    re.compile(r"AGE-SECRET-KEY-1[A-Z0-9]+"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*"),
    re.compile(r"(?i)\b(?:password|passwd|secret|token|api_?key)[\"']?\s*[=:]\s*[\"']?(\S+)"),
)


@dataclass(frozen=True, slots=True)
class News:
    """Lines that were not there before; `is_gap`: others may have been, and are not known."""

    lines: tuple[str, ...]
    is_gap: bool = False


def news(seen: Sequence[str], now: Sequence[str]) -> News:
    """What `now`, the last lines, has beyond those that were seen last."""
    if not seen:
        return News(tuple(now))
    for start in range(max(len(seen) - len(now), 0), len(seen)):
        known = seen[start:]
        if list(now[: len(known)]) == list(known):
            return News(tuple(now[len(known) :]))
    return News(tuple(now), is_gap=True)


def shown(line: str) -> str:
    """For a terminal: no secrets, nothing that steers it, and no end without an end."""
    for secret in _SECRETS:
        line = secret.sub(_hide, line)
    line = "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in line)
    return line if len(line) <= LINE_LIMIT else f"{line[:LINE_LIMIT]}…"


def _hide(found: re.Match[str]) -> str:
    if not found.lastindex:
        return _HIDDEN
    return found[0][: found.start(1) - found.start(0)] + _HIDDEN
