"""What a person can ask of a deployment from afar, and how far that has come.

The registry writes to no Git and touches no host: it keeps what is asked, until a reconciler that
knows the deployment takes it, does it, and answers.
"""

import re
from enum import StrEnum
from urllib.parse import urlsplit

from registry.errors import InvalidInput

LASTING_S = 3600.0
"""For so long a request waits for a reconciler, and then as long for its answer."""
ANSWER_LIMIT = 2000
_ID = re.compile(r"[0-9a-f]{32}")


class Verb(StrEnum):
    """As the reconciler's commands call it; `propose` is for Git to ask for a version."""

    ROLLBACK = "rollback"
    RETRY = "retry"
    PROMOTE = "promote"
    PROMOTE_FULL = "promote_full"
    RESUME = "resume"
    PAUSE = "pause"
    ABORT = "abort"
    PROPOSE = "propose"


class State(StrEnum):
    """The last three are ends."""

    WAITING = "waiting"
    TAKEN = "taken"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"


OPEN = frozenset({State.WAITING, State.TAKEN})


def require_id(text: str) -> str:
    """Who asks chooses it, so that asking again is the same request."""
    if not _ID.fullmatch(text):
        raise InvalidInput("a request's id has 32 hex digits", fix="open its form again")
    return text


def require_verb(text: str) -> Verb:
    """Raises InvalidInput."""
    if text not in set(Verb):
        raise InvalidInput(
            f"{text[:40]!r} cannot be asked of a deployment", fix=f"ask one of: {', '.join(Verb)}"
        )
    return Verb(text)


def require_address(text: str) -> str:
    """Where people see what was done; empty where that is nowhere. They will follow the link."""
    parts = urlsplit(text) if text.isascii() and text.isprintable() else None
    if text and (parts is None or parts.scheme not in {"http", "https"} or not parts.netloc):
        raise InvalidInput("the address is no http or https address", fix="leave it out")
    return text
