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
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")
_KEY_PART = re.compile(r"[A-Za-z0-9+/=]{1,100}")
# ECMA-48: control sequences (colours, moves), strings for the terminal itself (titles, clipboard),
# and single escapes.
_STEERING = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]P^_X]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*"
    r"(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-~]"
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


def hidden(lines: Sequence[str]) -> list[str]:
    """Each as `shown`, and of a private key not even the lines between its first and last; where
    the first is not among them, none that could be of it."""
    found: list[str] = []
    is_key = False
    for line in lines:
        begins, ends = _KEY_BEGINS.search(line), _KEY_ENDS.search(line)
        if ends and not is_key and not begins:
            for place in range(len(found) - 1, -1, -1):
                if not _KEY_PART.fullmatch(found[place].strip()):
                    break
                found[place] = _HIDDEN
        found.append(_HIDDEN if (is_key and not begins) or ends else shown(line))
        is_key = bool(begins or is_key) and not ends
    return found


def shown(line: str) -> str:
    """For a terminal or a page: no secrets, nothing that steers it, and no end without an end.

    What steers goes first: a secret with a colour in the middle is one all the same.
    """
    line = _STEERING.sub("", line)
    for secret in _SECRETS:
        line = secret.sub(_hide, line)
    line = "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in line)
    return line if len(line) <= LINE_LIMIT else f"{line[:LINE_LIMIT]}…"


def _hide(found: re.Match[str]) -> str:
    if not found.lastindex:
        return _HIDDEN
    return found[0][: found.start(1) - found.start(0)] + _HIDDEN
